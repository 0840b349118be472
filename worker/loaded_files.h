/* For development: the supervisor is told of each Ruby file that this process is about to compile. */
#ifndef COWHERD_LOADED_FILES_H
#define COWHERD_LOADED_FILES_H

/* From now on, through this channel. Again in a worker, with its own. */
void loaded_files_tell(int channel);

#endif
