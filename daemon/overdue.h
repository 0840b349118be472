/*
 * Which requests have run for too long, and what to do about it: a signal at timeouts.request and now and again after
 * that, the end of the worker at timeouts.hard. Pure.
 *
 * A request's age is added up from the supervisor's own looks at it, each of which counts for two periods at most:
 * where the supervisor, or the whole machine, stood still for a while, nothing is overdue because of that.
 */
#ifndef COWHERD_OVERDUE_H
#define COWHERD_OVERDUE_H

#include <stdint.h>

struct overdue_limits {
    int64_t request_ns; /* 0: no signals */
    int64_t hard_ns;    /* 0: no end */
};

/* What is remembered of a worker from one look to the next; zeroed for a new one. */
struct overdue_watch {
    uint64_t sequence; /* of the request that was in hand */
    int64_t age_ns;
    int64_t looked_ns;
    unsigned signals; /* sent to it */
};

enum overdue_action { OVERDUE_NOTHING, OVERDUE_SIGNAL, OVERDUE_KILL };

/* How often to look, in nanoseconds; 0: nothing is limited. */
int64_t overdue_period(const struct overdue_limits *limits);

/* A look at a worker's request: `started_ns` (0: it has none in hand) and `sequence` as its slot has them. */
enum overdue_action overdue_look(struct overdue_watch *watch, const struct overdue_limits *limits, int64_t now_ns,
                                 int64_t started_ns, uint64_t sequence);

#endif
