/*
 * A worker's listening sockets: when they are watched, which connections are accepted, and which are left in the queue
 * for the other workers of the pool.
 *
 * A round of the loop is listening_begin, a look at epoll, listening_ready for each event of a listener; unless the
 * worker drains, listening_accept_first where connections of its own are ready, too, and listening_accept after them;
 * listening_settle.
 */
#ifndef COWHERD_LISTENING_H
#define COWHERD_LISTENING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "intake.h"

struct server_options;

struct listening {
    const struct server_options *options;
    struct intake *intake;
    int epoll_fd;
    struct allow_list *allow;
    struct listener_watch *watches; /* in the order of the options' listeners, and the queue */
    size_t count;
    struct listener_watch *queue; /* of handback.h; NULL: none */
    bool woken;                   /* one of them was ready in this round */
    bool accepting;               /* a listener was ready in the last round */
    bool exclusive;               /* how the listeners are watched */
    bool started;                 /* they may be watched at all */
    bool withheld;                /* they are not watched, for every request left is spoken for */
    int64_t giving_way_ns;        /* since when a connection is left to others; 0: none is */
    int64_t pause_until_ns;       /* no accepting before this, or before a connection closes; 0: not paused */
    unsigned pause_count;         /* connections that were open then */
    bool woken_free;              /* no order to drain was there when this round began */
    uint64_t served_before;       /* requests, when this round began */
};

/*
 * Everything but the struct stays the caller's and must outlive it. An entry of socket.allow that can't be read is
 * fatal.
 */
void listening_open(struct listening *listening, int epoll_fd, struct intake *intake,
                    const struct server_options *options);
/*
 * Watches the listeners, but for a worker that is told to go already. To be called when the slot says that this one
 * serves: another that sees nobody serve leaves in the queue what woke it alone, and who watches by then would never be
 * told.
 */
void listening_start(struct listening *listening);
/* Leaves the sockets open. */
void listening_close(struct listening *listening);

void listening_begin(struct listening *listening);

/* `subject`, of an event whose source is SOURCE_LISTENER, is accepted from in this round. */
void listening_ready(struct listening *listening, void *subject);

/*
 * Serves one of each, where requests have been slow lately, or others have given some because of one. What woke this
 * worker has woken no other, and the lookout looks after connections alone: behind one of its own that has a slow
 * request it would wait where others are free, while those can wait for it. (Where none is slow, a look at epoll later
 * is cheaper: by then the request that follows a connection has come, which is served and closed in one go. `make
 * bench`: 9 % more CPU time a hello the other way.) `expecting`: how many of its own there are.
 */
void listening_accept_first(struct listening *listening, bool ordered, unsigned expecting);

/*
 * Accepts what waits, and serves what comes with its request. `ordered`: to drain at the end of this round; then at
 * most the one connection is taken that woke this worker, and no other.
 */
void listening_accept(struct listening *listening, bool ordered);

/* A request has been taken since listening_begin. */
bool listening_has_served(const struct listening *listening);

/* Decides how the listeners are watched, if at all, until the next round. */
void listening_settle(struct listening *listening);

/* When listening_settle is due without an event; 0: not. */
int64_t listening_deadline(const struct listening *listening);

/*
 * What workers have given back (handback.h) and no other will take: the last look of a worker that leaves. Each one
 * that gives looks there after it, here or as long as it serves; but what the next generation is there for is not
 * taken back to old code.
 */
void listening_take_given(struct listening *listening);

/*
 * For good: the worker drains. `take_backlog`: what waits in the queues is accepted before that, but at most one full
 * queue of each listener, or a busy front end would never let us go.
 */
void listening_stop(struct listening *listening, bool take_backlog);

#endif
