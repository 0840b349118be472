/* The command `trace-writes`. */
#ifndef COWHERD_TRACE_COMMAND_H
#define COWHERD_TRACE_COMMAND_H

#include <stdbool.h>

/*
 * Traces a pool's writes and prints who writes what. `requests` as the operator wrote it, NULL: 100. Ctrl-C ends the
 * trace with what was found so far; a second one, the command. The exit status: 0 traced, 1 failed, 2 usage.
 */
int trace_command(const char *control_socket, const char *pool, const char *requests, bool json);

#endif
