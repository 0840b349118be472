/*
 * A new generation's first worker answers the pool's warm-up requests before it accepts any other. They go through its
 * normal way of requests, one after the other, over socket pairs that the supervisor hands to it.
 */
#ifndef COWHERD_WARM_UP_H
#define COWHERD_WARM_UP_H

#include <stdbool.h>
#include <stddef.h>

#include "loop.h"
#include "warm_up_exchange.h"

struct generation;
struct worker;

struct warm_up {
    struct worker *worker; /* NULL: none is under way */
    size_t at;             /* which of the pool's requests */
    struct loop_source connection;
    struct warm_up_answer answer;
};

/*
 * Orders the first worker and has it answer; the generation's next event is WARM (at once when there is nothing to
 * ask), or FAIL with its `error` filled.
 */
void warm_up_start(struct generation *generation);

/* A worker has ended. true when it is the one that warms up: the generation's `error` says how it went. */
bool warm_up_worker_gone(struct generation *generation, const struct worker *worker);

/* The request in hand, for a message; NULL when there is none. */
const char *warm_up_request_in_hand(const struct generation *generation);

/* Ends what is under way, without an event. */
void warm_up_stop(struct generation *generation);

#endif
