/* When does a pool need somebody who answers 503 in its workers' place? Pure. */
#ifndef COWHERD_FALLBACK_POLICY_H
#define COWHERD_FALLBACK_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

/* A shorter pause is waited for in the listen queue: late answers are better than 503. */
#define FALLBACK_PAUSE_NS (500 * CLOCK_NS_PER_MS)
/* So is a worker that is on its way, but not for longer than this. */
#define FALLBACK_WITHOUT_NS (2 * CLOCK_NS_PER_S)

struct fallback_facts {
    bool present;       /* the process is there, or may not be started yet */
    bool accepts;       /* it is there and was not told to leave */
    bool in_trouble;    /* workers die young, or there is no mold; not when no worker is wanted */
    unsigned serving;   /* workers that accept */
    int64_t pause_ns;   /* until the next try, 0: it is on its way */
    int64_t without_ns; /* for how long no worker has accepted */
};

enum fallback_action { FALLBACK_LEAVE_AS_IS, FALLBACK_START, FALLBACK_RETIRE };

enum fallback_action fallback_decide(const struct fallback_facts *facts);

/* Retry-After for a pause: whole seconds, rounded up, at least 1. */
unsigned fallback_retry_after(int64_t pause_ns);

#endif
