/*
 * A pool: its listeners, the generation that serves, the one that comes up and those that drain.
 */
#ifndef COWHERD_POOL_H
#define COWHERD_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "backoff.h"
#include "config.h"
#include "fallback.h"
#include "generation.h"
#include "listener.h"
#include "recycle.h"
#include "rescue.h"
#include "stores.h"
#include "ticket.h"

struct supervisor;

struct ledger {
    uint64_t accepted, completed, error_answered, client_gone, lost;
    uint64_t malformed, late, management;
};

struct pool {
    struct supervisor *supervisor;
    char *name;
    struct listener **listeners; /* those of the serving generation's configuration */
    size_t listener_count;
    struct listener **upcoming_listeners;
    size_t upcoming_listener_count;
    struct generation *generations; /* newest first */
    struct generation *serving;     /* among them, or NULL */
    struct generation *upcoming;    /* among them, or NULL */
    unsigned last_number;
    struct ledger dead;                 /* what workers that are gone have done */
    uint64_t all_busy;                  /* seconds in which no worker was idle */
    uint64_t recycled[RECYCLE_REASONS]; /* workers that were replaced, by reason */
    struct {
        enum recycle_reason reason; /* RECYCLE_NONE: nobody has been replaced */
        pid_t pid;
        int64_t at_ns;
        char because[120];
    } last_recycled;
    char *last_error; /* of the last generation that failed, until one serves */
    unsigned last_error_generation;
    struct config *next; /* held: a reload came while one was in progress */
    struct ticket_list next_tickets;
    struct loop_timer retry;   /* the mold died: another generation is tried after a pause */
    struct backoff failures;   /* of such retries, in a row */
    struct backoff rebinds;    /* the same where a socket file is missing, and the mold is there */
    struct loop_timer renewal; /* the next generation unasked, see renewal.h */
    struct fallback fallback;
    uint64_t killed_for_memory; /* workers, by the kernel */
    struct rescued rescued;     /* connections of workers that were killed */
    int handback;         /* queue of connections that its workers give each other (worker/handback.h); -1: none */
    struct stores stores; /* the memory that its apps share */
    bool stopping;
    struct config
        *stuck; /* held: for development, none has served yet and this one has failed; the fallback says why */
    struct config *scaled_config; /* held: where this is in force, a fixed pool has... */
    unsigned scaled;              /* ... so many workers in place of those configured */
};

struct pool *pool_new(struct supervisor *supervisor, const char *name);

/*
 * Starts a new generation with the pool of that name in `config`; when one is coming up already, right after it. The
 * ticket (may be NULL) is settled with the outcome.
 */
void pool_reload(struct pool *pool, struct config *config, struct ticket *ticket);

/* Starts a generation with the configuration that serves, when none is coming up. */
void pool_renew(struct pool *pool);

/*
 * Where the file of a listener was removed, a new generation binds it anew: now, or after a pause when that has failed.
 * `watch`: as for listener_look.
 */
void pool_look_at_sockets(struct pool *pool, int watch);

/* No new connections; running requests finish. When `now`, everything is killed. */
void pool_stop(struct pool *pool, bool now);

/* The last process of a stopping pool is gone. */
bool pool_is_gone(const struct pool *pool);
void pool_free(struct pool *pool);

/* The settings in force: of the serving generation, else of the newest. NULL when there is none. */
const struct config_pool *pool_settings(const struct pool *pool);

/* For the workers of its next generation, too: none is lost with the last one of this. -1: it can't be had. */
int pool_handback(struct pool *pool);

/* The ledger of the living and the dead. */
struct ledger pool_ledger(const struct pool *pool);

/* Adds what a slot has counted. */
void ledger_add(struct ledger *ledger, const struct slot *slot);

/* From the generations: */
void pool_generation_serves(struct pool *pool, struct generation *generation);
void pool_generation_failed(struct pool *pool, struct generation *generation);
void pool_generation_over(struct pool *pool, struct generation *generation);
void pool_mold_died(struct pool *pool, struct generation *generation);
/* Adds a dead worker's slot to the books; what it had in hand is lost, unless it was answered in the worker's stead. */
void pool_account(struct pool *pool, const struct slot *slot, bool answered_late);

#endif
