/*
 * A body that is a file, handed over to the front end: it reads the file itself, by a header of the answer.
 */
#ifndef COWHERD_RACK_SENDFILE_H
#define COWHERD_RACK_SENDFILE_H

#include "rack_exchange.h"

/*
 * When the app's `sendfile` covers the file `path` (a regular one inside `from`, symbolic links followed, of an answer
 * 200): puts the header that names it into the head, takes a Content-Length of the app's away, and returns true; the
 * answer has no body then. Else false, and nothing has changed.
 */
bool rack_sendfile_offer(struct rack_exchange *exchange, const char *path);

#endif
