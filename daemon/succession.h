/*
 * start_server starts the next cowherd while the one before it still runs. The two share the listening sockets, but not
 * the control socket and the pid file: these go over to the new one once it is ready, and until then stay with the one
 * before, which goes on should the new one fail.
 */
#ifndef COWHERD_SUCCESSION_H
#define COWHERD_SUCCESSION_H

#include <stdbool.h>
#include <sys/types.h>

struct supervisor;

/* Whether both this process and `pid` (0: nobody) were started by the same start_server. */
bool succession_is_predecessor(pid_t pid);

/* Who listens on the unix socket at `path`; 0: nobody. */
pid_t succession_listener(const char *path);

/* This one is ready: takes over what it has left to a predecessor until now. What can't be had is logged. */
void succession_take_over(struct supervisor *supervisor);

#endif
