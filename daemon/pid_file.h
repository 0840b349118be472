/*
 * The supervisor's pid file: its decimal pid and a newline. It is locked (flock) for as long as the supervisor lives,
 * so that a file which was left behind is told from one in use whatever pid stands in it. A process has at most one.
 */
#ifndef COWHERD_PID_FILE_H
#define COWHERD_PID_FILE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Makes the file, or takes over one that nobody holds, and writes the pid. 0, or -1 with a message in `error`: another
 * process holds it (the message names its pid), it is no regular file, it holds something else than a pid (it is then
 * left as it is), it can't be written.
 */
int pid_file_open(const char *path, char *error, size_t size);

/* Removes the file when it is still this process's, and unlocks it. Without one, and in a forked child: nothing. */
void pid_file_close(void);

/* The process that holds the file at `path`; 0: nobody. */
pid_t pid_file_holder(const char *path);

/* What this process holds: NULL and -1 when it has none. */
const char *pid_file_path(void);
int pid_file_descriptor(void);
/* Takes over the open and locked file that this process held before it became another program. */
void pid_file_adopt(const char *path, int fd);

#endif
