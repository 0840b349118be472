/* The client's side of the control socket (control.h). */
#ifndef COWHERD_CONTROL_CLIENT_H
#define COWHERD_CONTROL_CLIENT_H

#include "strbuf.h"

/*
 * Sends one command line (without newline) and appends the answer's text. 0: the answer was "ok"; 1: it was "error", or
 * there was none (then `text` says why: no cowherd listens there, it is of another user, it went away).
 */
int control_client_command(const char *socket_path, const char *line, struct strbuf *text);

#endif
