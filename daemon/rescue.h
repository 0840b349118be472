/*
 * The connections of a worker that has to be killed, crashes, or is killed by somebody else: those at the beginning of
 * a request go to other workers, and their clients never know.
 */
#ifndef COWHERD_RESCUE_H
#define COWHERD_RESCUE_H

#include <stddef.h>
#include <sys/types.h>

struct pool;
struct worker;

/* Connections that wait for a worker which takes them. */
struct rescued {
    int *fds;
    size_t count, room;
    unsigned next; /* worker to be asked */
};

/* Which connections a worker that crashes has sent: their copies in its escrow are not to be given to anybody. */
struct handed_over {
    ino_t *sockets;
    size_t count, room;
};

/*
 * Takes copies of them from a worker that stands still. That takes the right to trace it (pidfd_getfd(2)): without,
 * none is had.
 */
void rescue_take(struct worker *worker);

/* One that a worker has handed over by itself, when it crashed; now the pool's. */
void rescue_add(struct worker *worker, int fd);

/* One that waited before an upgrade; now the pool's. */
void rescue_adopt(struct pool *pool, int fd);

/*
 * The worker is no more: what is in its escrow is had from there, unless it was had from the worker. (One that is
 * killed while it crashes, or is not heard for too long, has sent a part.)
 */
void rescue_withdraw(struct worker *worker);

/*
 * Gives them to workers that serve. Where the fallback answers in their place, it gets those on which something has
 * come; the rest wait for the next call: when a worker is ready, or has read what it was given, and once a second.
 */
void rescue_deliver(struct pool *pool);

/* Closes what waits. */
void rescue_drop(struct pool *pool);

#endif
