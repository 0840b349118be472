/*
 * Listening sockets: bound by the supervisor, inherited by molds and workers. A listener is held by the pools whose
 * configuration names it and by the generations that were given it; the socket file goes when no pool names it any
 * more, the descriptor when nobody holds it.
 */
#ifndef COWHERD_LISTENER_H
#define COWHERD_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config.h"
#include "strbuf.h"

struct listener {
    char *address; /* as in the configuration's canonical form */
    enum config_listen_type type;
    int fd; /* non-blocking, close-on-exec */
    int backlog;
    /* the socket file that we made, to remove no other */
    bool bound_file;
    dev_t device;
    ino_t inode;
    unsigned pools;   /* pools that name it */
    unsigned holders; /* pools and generations */
    struct listener *next;
};

/* All listeners of the supervisor. */
struct listener_set {
    struct listener *first;
};

/*
 * The listener for `listen`, opened when there is none yet; `socket` (owner, group, mode, backlog) is applied either
 * way. A stale socket file is replaced, one that somebody answers on is refused. The result is held for a pool.
 * NULL: `error` says what and why.
 */
struct listener *listener_acquire(struct listener_set *set, const struct config_listen *listen,
                                  const struct config_socket *socket, struct strbuf *error);

/* A pool no longer names it (gives back listener_acquire's hold). */
void listener_release_pool(struct listener_set *set, struct listener *listener);

/* A generation holds it. */
void listener_hold(struct listener *listener);
void listener_release(struct listener_set *set, struct listener *listener);

/* Connections that wait to be accepted and the bound of the queue; -1 each when the kernel does not tell. */
void listener_queue(const struct listener *listener, int64_t *waiting, int64_t *bound);

#endif
