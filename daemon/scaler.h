/*
 * Brings the policy of scaling.h the facts about a generation, and keeps the number of workers that it wants; workers.c
 * orders and drains to it. While a pool with bounds has nothing to do, its listeners are watched (and never accepted
 * from) in place of looking at it ten times a second.
 */
#ifndef COWHERD_SCALER_H
#define COWHERD_SCALER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "loop.h"
#include "scaling.h"
#include "strbuf.h"

struct generation;
struct pool;
struct worker;

struct scaler {
    struct scaling scaling;
    struct loop_timer timer;
    struct loop_source *watches; /* for the generation's listeners and the pool's queue; NULL: none */
    size_t watching;             /* so many of them are in use */
    bool called;                 /* a watched listener had a connection */
    int64_t all_busy_since_ns;   /* 0: somebody was idle when it was looked at last, or nobody served */
    int64_t waiting_since_ns;    /* the same for connections in the queues that nobody takes; 0: there was none */
    uint64_t accepted;           /* the pool's requests at the last look */
    uint64_t estimate;           /* bytes that a worker may come to have for itself; 0: none was measured yet */
    bool told;                   /* that the budget holds growth back */
};

/* Slots that a pool's scoreboard has: for the most workers it can be given, and for those that they replace. */
uint32_t scaler_slots(const struct config_pool *settings);

/* How many workers the generation is to have. */
unsigned scaler_wanted(const struct generation *generation);

/* Of a generation that has loaded: how many it starts with. */
void scaler_begin(struct generation *generation);

/* It serves from now on: the number follows the load. */
void scaler_serve(struct generation *generation);

/* There are connections that no listener tells of (pool.h, `rescued`): it is looked at, however quiet it was. */
void scaler_call(struct generation *generation);

/* It serves no more. */
void scaler_stop(struct generation *generation);
void scaler_free(struct generation *generation);

/* Whom to send away when more serve than are wanted; NULL: nobody. */
struct worker *scaler_excess(struct generation *generation);

/*
 * Gives the pool `number` workers: a fixed pool until its configuration is read anew, one with bounds (which it must be
 * within) until the load asks for another number. true with what was done in `outcome`, or false with why not.
 */
bool scaler_set(struct pool *pool, uint64_t number, struct strbuf *outcome);

/* A generation is gone: what was set for a configuration that none of them has any more is forgotten with it. */
void scaler_forget(struct pool *pool);

/* One worker more, or (`up` false) one fewer, within the bounds; what was done goes to the log. */
void scaler_nudge(struct pool *pool, bool up);

#endif
