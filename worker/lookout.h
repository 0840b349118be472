/*
 * While the worker is in a request for longer than others can wait, a thread stands in for it: of its other connections
 * it gives those that have something to be received to workers that are free, or to come (handback.h). The thread is
 * started when the worker has a request in hand and other connections for the first time, and sleeps but then.
 *
 * The table of connections belongs to the worker's loop outside of requests, and to the thread inside of them.
 */
#ifndef COWHERD_LOOKOUT_H
#define COWHERD_LOOKOUT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "connection.h"
#include "scoreboard.h"

struct lookout {
    struct connection_table *table;
    const struct scoreboard *board; /* NULL: there are no others */
    struct slot *slot;              /* its own one */
    int queue;                      /* the pool's (handback.h); -1: nothing is given */
    pthread_t thread;
    int timer;             /* -1: there is no thread */
    int outer;             /* epoll of the table's epoll, and of the timer */
    uint64_t requests;     /* that were begun */
    unsigned given;        /* connections that the table is to forget */
    _Atomic uint64_t turn; /* `requests`, and whose the table is */
    _Atomic int64_t patience_ns;
    _Atomic int64_t slow_ns; /* when the last slow request was over; 0: none was slow */
    _Atomic bool armed;      /* the timer runs, or the thread does */
    int64_t retry_ns;        /* when a thread is tried again after one could not be started; 0: now */
    _Atomic bool ended;
};

/* There is one in a process. All that it is given stays the caller's and must outlive it. */
void lookout_open(struct lookout *lookout, struct connection_table *table, const struct scoreboard *board,
                  struct slot *slot, int queue);
void lookout_close(struct lookout *lookout);

/* Around each request, which took from `began_ns` to `now_ns`. */
void lookout_begin(struct lookout *lookout);
void lookout_end(struct lookout *lookout, int64_t began_ns, int64_t now_ns);

/* Whether a request has been slow lately: the next one may be, too. */
bool lookout_expects_slow(const struct lookout *lookout, int64_t now_ns);

/*
 * For what happens within a request and needs the connections as they are, a fork or the end: the thread does nothing
 * from here on, true, until lookout_release. false: it does nothing anyway. Async-signal-safe.
 */
bool lookout_hold(void);
void lookout_release(void);

#endif
