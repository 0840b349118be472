/*
 * The fallback: a process without Ruby that answers 503 for a pool that has no worker and can't have one for a while.
 * It is started and told to leave from here; what it does is in fallback_command.h. Workers and fallback may accept at
 * the same time: a worker that is ready serves at once, and the fallback is told to accept no more.
 */
#ifndef COWHERD_FALLBACK_H
#define COWHERD_FALLBACK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "loop.h"
#include "output.h"
#include "scoreboard.h"

struct pool;

struct fallback {
    struct pool *pool;
    pid_t pid; /* 0: there is none */
    bool leaving;
    struct loop_source channel; /* fd -1 when closed */
    struct output output;
    struct loop_timer deadline; /* to have left */
    struct scoreboard *board;   /* with one slot: its part of the ledger; NULL without a process */
    int64_t without_since_ns;   /* no worker has accepted since then; 0: one does */
    int64_t next_try_ns;        /* as it was told */
    int64_t not_before_ns;      /* it ended by itself: another one not before this */
    uint64_t started;           /* how many there were */
};

void fallback_init(struct fallback *fallback, struct pool *pool);

/* Something about the pool's workers has changed, or a second has passed: starts it, tells it, lets it go. */
void fallback_look(struct fallback *fallback);

/* It is there, and was not told to leave. */
bool fallback_accepts(const struct fallback *fallback);

/* The pool stops. `now`: by SIGKILL. */
void fallback_stop(struct fallback *fallback, bool now);

/* Takes a reaped process: true when it was this one. */
bool fallback_reaped(struct fallback *fallback, pid_t pid, int status);

#endif
