/* `cowherd front SERVER [POOL]`: settings for a front end, made from the configuration. */
#ifndef COWHERD_FRONT_COMMAND_H
#define COWHERD_FRONT_COMMAND_H

#include "config.h"
#include "strbuf.h"

/*
 * Appends to `out` what `server` ("nginx", "lighttpd" and so on) has to be told to pass requests to the apps of one
 * pool (NULL: of all). The exit status: 0; 1 when the front end can't express it, 2 for an unknown server or pool, both
 * said on standard error, with nothing appended.
 */
int front_command(const struct config *config, const char *server, const char *pool, struct strbuf *out);

#endif
