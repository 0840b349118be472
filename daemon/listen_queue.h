/*
 * The queue of a listening socket: how many connections wait to be accepted, and how many may. The kernel is asked,
 * with one or two system calls a socket, whatever waits there.
 */
#ifndef COWHERD_LISTEN_QUEUE_H
#define COWHERD_LISTEN_QUEUE_H

#include <stdint.h>

struct listen_queue {
    int64_t waiting; /* connections; -1: the kernel does not tell */
    int64_t bound;   /* of `waiting`, as given to listen(2) and limited by the system; -1: not known */
};

/* Of a listening unix or TCP socket, now. Never fails: what isn't known is -1. Keeps errno. */
struct listen_queue listen_queue_read(int fd);

#endif
