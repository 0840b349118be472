/* The client's side of the control socket (control.h). */
#ifndef COWHERD_CONTROL_CLIENT_H
#define COWHERD_CONTROL_CLIENT_H

#include "strbuf.h"

/*
 * Sends one command line (without newline) and appends the answer's text. 0: the answer was "ok"; 1: it was "error", or
 * there was none (then `text` says why: no cowherd listens there, it is of another user, it went away).
 */
int control_client_command(const char *socket_path, const char *line, struct strbuf *text);

/*
 * The same in two steps. The socket that the answer comes on, or -1 with `text`; it may be shut down for writing
 * meanwhile. control_client_answer closes it.
 */
int control_client_ask(const char *socket_path, const char *line, struct strbuf *text);
int control_client_answer(int fd, struct strbuf *text);

#endif
