/*
 * Workers that die again and again: how long the next one waits, which request they die of, and whether the kernel did
 * it. Policy is in backoff.h, poison.h and oom_watch.h. For workers.c, pool.c and the supervisor's tick.
 */
#ifndef COWHERD_CRASH_LOOP_H
#define COWHERD_CRASH_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "pool.h"

/* A worker is to be replaced: in so many ns. */
int64_t crash_loop_pause(struct generation *generation, bool died_young);

/*
 * The machine lacks what another worker takes (`what` failed by `error`): the next try is in so many ns, half a second
 * at most, since nobody has died, and it can be back at any time. crash_loop_had_worker: one is there; was that so?
 */
int64_t crash_loop_short(struct generation *generation, const char *what, int error);
bool crash_loop_had_worker(struct generation *generation);

/* The serving generation has lost its mold, or its successor failed: a new one is tried in so many ns. */
int64_t crash_loop_retry_pause(struct pool *pool);
/* A socket file is missing, and the generation that was to bind it anew has failed: the same. */
int64_t crash_loop_rebind_pause(struct pool *pool);

/*
 * A worker was reaped; `killed`: by us. Was it for memory, and is its request to blame? Before its obituary, while its
 * slot is whole.
 */
void crash_loop_examine(struct worker *worker, int status, bool killed);

/* Once a second, for a pool that serves: who has lived for a while is healthy, what is old is forgotten. */
void crash_loop_look(struct pool *pool);

/* The next try is so far off, in ns: 0 when nothing waits for its time. */
int64_t crash_loop_remaining(const struct pool *pool, int64_t now_ns);

/* Workers die young one after the other, or new ones can't be had. */
bool crash_loop_is_failing(const struct pool *pool);

#endif
