/*
 * Which worker of a pool is replaced next, and why. Pure: the facts come from the scoreboard and the sampler, the
 * caller acts.
 *
 * A worker that has reached an age or has grown is to leave as soon as another is ready in its place. One that is about
 * to reach its number of requests leaves by itself, at exactly that number; all it needs is another that is ready then.
 */
#ifndef COWHERD_RECYCLE_H
#define COWHERD_RECYCLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum recycle_reason { RECYCLE_NONE, RECYCLE_REQUESTS, RECYCLE_AGE, RECYCLE_PRIVATE_MEMORY, RECYCLE_REASONS };

/* "none", "requests", "age", "private memory". */
const char *recycle_reason_name(enum recycle_reason reason);

/* A pool's rules, or one worker's limits once its jitter is drawn; 0: no such rule. */
struct recycle_limits {
    uint64_t requests;
    int64_t age_ns;
    uint64_t private_memory; /* bytes grown since the fork */
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
    struct recycle_limits limits;
};

/* The reason that holds for one worker now; RECYCLE_NONE: none does, or it does not serve. */
enum recycle_reason recycle_reason_of(const struct recycle_worker *worker);

#define RECYCLE_NOBODY SIZE_MAX

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
