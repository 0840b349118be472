/*
 * Which worker of a pool is replaced next, and why. Pure: the facts come from the scoreboard and the sampler, the
 * caller acts.
 *
 * A worker that has reached an age or has grown (in memory, in symbols, beyond what the whole pool may take) is to
 * leave as soon as another is ready in its place. One that is about to reach its number of requests leaves by itself,
 * at exactly that number; all it needs is another that is ready then.
 */
#ifndef COWHERD_RECYCLE_H
#define COWHERD_RECYCLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum recycle_reason {
    RECYCLE_NONE,
    RECYCLE_REQUESTS,
    RECYCLE_AGE,
    RECYCLE_PRIVATE_MEMORY,
    RECYCLE_SYMBOLS,
    RECYCLE_MEMORY_BUDGET,
    RECYCLE_MEMORY_LIMIT,
    RECYCLE_REASONS
};

/* "none", "requests", "age", "private memory", "symbols", "memory budget", "memory limit". */
const char *recycle_reason_name(enum recycle_reason reason);

/* A pool's rules, or one worker's limits once its jitter is drawn; 0: no such rule. */
struct recycle_limits {
    uint64_t requests;
    int64_t age_ns;
    uint64_t private_memory; /* bytes grown since the fork */
    uint64_t symbols;        /* interned since the fork */
};

/*
 * One worker's limits: the rules, each by the same factor drawn from `seed` evenly between 1 - jitter and 1 + jitter
 * (`jitter` in percent, at most 100). A rule that is on stays on, however small it gets.
 */
struct recycle_limits recycle_draw(const struct recycle_limits *rules, unsigned jitter, uint64_t seed);

struct recycle_worker {
    bool present;                 /* there is a worker, other facts count */
    bool serving;                 /* accepts connections; else it starts, drains or dies */
    bool almost_done;             /* close to its last request */
    enum recycle_reason replaced; /* why it is being replaced, until it is gone */
    int64_t age_ns;
    uint64_t grown;         /* bytes of private memory since the fork */
    uint64_t private_bytes; /* in all: who has most goes first */
    uint64_t symbols;       /* interned since the fork; mruby never frees one */
    bool out_of_memory;     /* it has reached a limit of the system's, and may again with each request */
    bool over_budget;       /* recycle_weigh's: what the pool takes beyond its budget is to come from this one */
    struct recycle_limits limits;
};

/* The reason that holds for one worker now; RECYCLE_NONE: none does, or it does not serve. */
enum recycle_reason recycle_reason_of(const struct recycle_worker *worker);

#define RECYCLE_NOBODY SIZE_MAX

/* Workers that go for the pool's budget have lived for at least so long, in nanoseconds. */
#define RECYCLE_PATIENCE_NS INT64_C(10000000000)
#define RECYCLE_PATIENCE_MAX_NS INT64_C(3600000000000)
#define RECYCLE_WORTH (UINT64_C(64) << 10)

/*
 * What a pool may take in all. Replacing a worker gives back what it has grown by since the fork, and no more. Where
 * workers grow back as fast as they are replaced, each one has to live twice as long as the one before: a budget that
 * is too small costs a fork now and then, not a herd that is always new.
 */
struct recycle_budget {
    uint64_t bytes;      /* the pool's `memory`; 0: no budget */
    uint64_t loaded;     /* what there is once: the region and the mold */
    int64_t patience_ns; /* RECYCLE_PATIENCE_NS at first; recycle_charge keeps it */
};

enum recycle_verdict {
    RECYCLE_FITS,
    RECYCLE_OVER,   /* and somebody can be replaced, or is being */
    RECYCLE_WAITS,  /* over, but all who have grown are young */
    RECYCLE_FUTILE, /* over, and nobody has grown enough to be worth replacing */
};

struct recycle_scale {
    uint64_t total;   /* bytes, when all who are being replaced have been */
    uint64_t minimum; /* the same with every worker as it was right after its fork */
    size_t worker;    /* the most private of those that can go for it, or RECYCLE_NOBODY */
};

/*
 * Weighs the pool, and marks with `over_budget` the one worker that is to go, or none. A worker that has grown by less
 * than RECYCLE_WORTH bytes is not worth it.
 */
enum recycle_verdict recycle_weigh(struct recycle_worker *workers, size_t count, const struct recycle_budget *budget,
                                   struct recycle_scale *scale);

/* A worker of this age is replaced for the budget's sake. */
void recycle_charge(struct recycle_budget *budget, int64_t age_ns);

struct recycle_choice {
    size_t worker; /* to be replaced next */
    enum recycle_reason reason;
    size_t gives_way; /* this one's replacement is taken for it; RECYCLE_NOBODY: another one is needed */
};

/*
 * The next worker to be replaced; false: none, or as many as `max_unavailable` are being replaced already. One that
 * merely waits for its last request gives way to one that has to go for another reason.
 */
bool recycle_decide(const struct recycle_worker *workers, size_t count, unsigned max_unavailable,
                    struct recycle_choice *choice);

#endif
