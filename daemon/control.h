/*
 * The control socket. A client sends one line, "COMMAND [ARGUMENT...]" separated by single spaces, and reads until the
 * end of file: the first line of the answer is "ok" or "error", what follows is for people (or JSON). One who waits for
 * a trace and shuts its side down for writing gets what was found so far. Only root and the supervisor's own user are
 * served; the socket's mode is 0600.
 */
#ifndef COWHERD_CONTROL_H
#define COWHERD_CONTROL_H

#include "strbuf.h"

struct control;
struct supervisor;

/* NULL: `error` says why (another cowherd runs, the folder is missing, ...). */
struct control *control_open(struct supervisor *supervisor, const char *path, struct strbuf *error);

/* Sends what is still to be sent (for a moment at most), closes and removes the socket. */
void control_close(struct control *control);

#endif
