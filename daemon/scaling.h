/*
 * How many workers a pool is to have. Pure: the facts come from the scoreboard and the listeners, the caller acts.
 *
 * A pool with bounds (min < max) has as many workers as are busy and `spare` more. It grows at once, and shrinks to the
 * most that it needed within the last `idle`. With `min: 0` and nothing to do it has none; then whoever waits in a
 * listen queue calls for the first one.
 */
#ifndef COWHERD_SCALING_H
#define COWHERD_SCALING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Between two looks at a pool that has something to do, in nanoseconds. */
#define SCALING_PERIOD_NS INT64_C(100000000)

/*
 * Idle workers that leave a connection in its queue for so long have no room for it: the requests that they may still
 * serve are spoken for (recycle.requests), or they hold as many connections as they can.
 */
#define SCALING_PATIENCE_NS INT64_C(1000000000)

/* No budget of memory holds the pool back. */
#define SCALING_NO_BUDGET UINT64_MAX

struct scaling_bounds {
    unsigned min, max, spare;
    int64_t idle_ns;
};

struct scaling_facts {
    int64_t now_ns;
    unsigned serving, busy; /* those in a request are among those that serve */
    unsigned starting;
    unsigned present;    /* serving or starting, without those that leave when their replacement is ready */
    int64_t waiting;     /* connections that no worker has, most of them in the listen queues; -1: not known */
    int64_t waiting_ns;  /* for how long there have been some, while nobody was started and no request was taken */
    bool called;         /* somebody waits there, and nobody could have accepted */
    bool served;         /* requests have been taken since the last look */
    int64_t all_busy_ns; /* for how long nobody has been idle; 0: somebody is, or nobody serves */
    uint64_t room;       /* workers more that the budget of memory has room for, or SCALING_NO_BUDGET */
};

struct scaling {
    unsigned wanted;
    bool held_back;         /* the budget gives less than the load asks for */
    unsigned peak;          /* the highest demand since... */
    int64_t below_since_ns; /* fewer than are wanted would do; 0: they would not */
};

/* How many the load asks for now, within the bounds. */
unsigned scaling_demand(const struct scaling_bounds *bounds, const struct scaling_facts *facts);

/*
 * One look: adjusts scaling->wanted. Nobody goes before the second look that finds it idle. A budget stops growth
 * (beyond `min`, or the first), but never takes a worker.
 */
void scaling_step(struct scaling *scaling, const struct scaling_bounds *bounds, const struct scaling_facts *facts);

/* Sets the number now, to be kept for `idle` at least. */
void scaling_set(struct scaling *scaling, unsigned wanted);

/*
 * How many a new generation starts with, when the one before it wants `before` (0 also: there is none). With `prove`
 * at least one, by which the generation shows that it serves.
 */
unsigned scaling_first(const struct scaling_bounds *bounds, unsigned before, bool prove);

/* The most that a pool of a fixed number can be given while it runs. */
unsigned scaling_ceiling(unsigned fixed);

/*
 * Room for workers more that may come to `estimate` bytes each (0: not known, then for none), when `taken` of the
 * `budget` is in use and those present will yet grow by `reserved`. A budget of 0: none.
 */
uint64_t scaling_room(uint64_t budget, uint64_t taken, uint64_t reserved, uint64_t estimate);

struct scaling_worker {
    bool candidate; /* serves, and is not about to leave anyway */
    bool idle;
    int64_t started_ns;
};

#define SCALING_NOBODY SIZE_MAX

/* Who goes when there are too many: an idle one if there is one, and of these the youngest. */
size_t scaling_victim(const struct scaling_worker *workers, size_t count);

#endif
