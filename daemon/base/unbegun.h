/*
 * Connections that stand at the beginning of a request: whoever holds a copy of the descriptor can tell, and serve them
 * in place of a worker that can't any more. What a worker has received of a request would be missing: with what follows
 * alone, the bytes of a body might be taken for a request.
 */
#ifndef COWHERD_UNBEGUN_H
#define COWHERD_UNBEGUN_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * The mark is kept with the open socket itself, as the signal for input (fcntl(2), F_SETSIG), which nothing sends as
 * long as O_ASYNC is not set. A new connection has none.
 */
static inline void unbegun_mark(int fd, bool begun)
{
    fcntl(fd, F_SETSIG, begun ? SIGURG : 0);
}

static inline bool unbegun_is_marked(int fd)
{
    return fcntl(fd, F_GETSIG) != 0;
}

/*
 * The connection whose bytes are being looked at, -1 when there is none: it has no mark yet, and may have begun. Kept
 * for a handler of signals.
 */
void unbegun_set_in_hand(int fd);
int unbegun_in_hand(void);

/*
 * `fd` is a connection that was accepted from one of these listening sockets, and nothing of a request is received.
 * Async-signal-safe.
 */
bool unbegun_connection(int fd, const int *listeners, size_t count);

#endif
