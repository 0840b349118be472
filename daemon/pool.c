#include "pool.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "crash_loop.h"
#include "escrow.h"
#include "log.h"
#include "renewal.h"
#include "scaler.h"
#include "supervisor.h"
#include "workers.h"
#include "xalloc.h"

/* A stopped worker must not keep who asked for a reload waiting. */
#define HANDOVER_NS CLOCK_NS_PER_S
/* A mold that served for longer than this did not die of what it loaded. */
#define MOLD_PROVEN_NS (10 * CLOCK_NS_PER_S)
#define GOES_ON "\nthe generation before it goes on serving"

static void retry_expired(void *data);
static void look_for_retry(struct pool *pool);

struct pool *pool_new(struct supervisor *supervisor, const char *name)
{
    struct pool *pool = xcalloc(1, sizeof *pool);
    pool->supervisor = supervisor;
    pool->name = xstrdup(name);
    pool->handback = -1;
    pool->retry = (struct loop_timer){ .expired = retry_expired, .data = pool };
    fallback_init(&pool->fallback, pool);
    return pool;
}

static void release_listeners(struct pool *pool, struct listener ***listeners, size_t *count)
{
    for (size_t i = 0; i < *count; i++)
        listener_release_pool(&pool->supervisor->listeners, (*listeners)[i]);
    free(*listeners);
    *listeners = NULL;
    *count = 0;
}

void pool_free(struct pool *pool)
{
    loop_timer_clear(pool->supervisor->loop, &pool->retry);
    renewal_clear(pool);
    release_listeners(pool, &pool->listeners, &pool->listener_count);
    release_listeners(pool, &pool->upcoming_listeners, &pool->upcoming_listener_count);
    rescue_drop(pool);
    if (pool->handback >= 0)
        close(pool->handback);
    stores_free(&pool->stores);
    config_release(pool->next);
    config_release(pool->stuck);
    config_release(pool->scaled_config);
    free(pool->last_error);
    free(pool->name);
    free(pool);
}

bool pool_is_gone(const struct pool *pool)
{
    return !pool->generations && pool->fallback.pid == 0 && !loop_timer_is_set(&pool->retry) && !pool->next &&
           !pool->stuck;
}

const struct config_pool *pool_settings(const struct pool *pool)
{
    if (pool->serving)
        return pool->serving->settings;
    return pool->generations ? pool->generations->settings : NULL;
}

int pool_handback(struct pool *pool)
{
    if (pool->handback < 0)
        pool->handback = escrow_new();
    if (pool->handback < 0)
        log_warn("%s: its workers can't give each other connections", pool->name);
    return pool->handback;
}

static bool acquire_listeners(struct pool *pool, const struct config_pool *settings, struct strbuf *error)
{
    struct listener_set *set = &pool->supervisor->listeners;
    for (size_t i = 0; i < settings->listen_count; i++) {
        size_t count = listener_count(set, &settings->listen[i]);
        pool->upcoming_listeners = xreallocarray(pool->upcoming_listeners, pool->upcoming_listener_count + count,
                                                 sizeof *pool->upcoming_listeners);
        for (size_t nth = 0; nth < count; nth++) {
            struct listener *listener = listener_acquire(set, &settings->listen[i], nth, &settings->socket, error);
            if (!listener) {
                release_listeners(pool, &pool->upcoming_listeners, &pool->upcoming_listener_count);
                return false;
            }
            pool->upcoming_listeners[pool->upcoming_listener_count++] = listener;
        }
    }
    return true;
}

static void remember_error(struct pool *pool, unsigned generation, const char *text)
{
    free(pool->last_error);
    pool->last_error = text ? xstrdup(text) : NULL;
    pool->last_error_generation = generation;
}

/*
 * For development, where nothing has served yet: the listeners stay open, and the fallback shows what went wrong until
 * a file has changed.
 */
static void get_stuck(struct pool *pool, struct config *config)
{
    if (!pool->supervisor->dev || pool->serving || pool->stopping)
        return;
    if (pool->upcoming_listener_count > 0) {
        release_listeners(pool, &pool->listeners, &pool->listener_count);
        pool->listeners = pool->upcoming_listeners;
        pool->listener_count = pool->upcoming_listener_count;
        pool->upcoming_listeners = NULL;
        pool->upcoming_listener_count = 0;
    }
    config_retain(config);
    config_release(pool->stuck);
    pool->stuck = config;
}

/* Takes the tickets over. */
static void start_generation(struct pool *pool, struct config *config, struct ticket_list *tickets)
{
    struct strbuf error = { 0 };
    const struct config_pool *settings = config_pool_find(config, pool->name);
    struct generation *generation = NULL;
    unsigned number = ++pool->last_number;
    int64_t asked_ns = clock_monotonic_ns();

    if (acquire_listeners(pool, settings, &error))
        generation = generation_start(pool, config, settings, pool->upcoming_listeners, pool->upcoming_listener_count,
                                      number, &error);
    if (!generation) {
        log_warnx("%s: generation %u can't be started: %s", pool->name, number, error.data);
        get_stuck(pool, config);
        release_listeners(pool, &pool->upcoming_listeners, &pool->upcoming_listener_count);
        remember_error(pool, number, error.data);
        fallback_look(&pool->fallback);
        char *text = xasprintf("%s: generation %u can't be started: %s%s", pool->name, number, error.data,
                               pool->serving ? GOES_ON : "");
        ticket_list_settle(tickets, false, text);
        free(text);
        strbuf_free(&error);
        supervisor_pool_changed(pool->supervisor);
        look_for_retry(pool);
        renewal_set(pool);
        return;
    }
    log_info("%s: generation %u is loading (mold %ld)", pool->name, number, (long)generation->mold.pid);
    generation->asked_ns = asked_ns;
    ticket_list_move(&generation->tickets, tickets);
    generation->next = pool->generations;
    pool->generations = generation;
    pool->upcoming = generation;
}

void pool_reload(struct pool *pool, struct config *config, struct ticket *ticket)
{
    if (pool->stopping) {
        ticket_settle(ticket, false, "%s: the pool is being stopped", pool->name);
        return;
    }
    loop_timer_clear(pool->supervisor->loop, &pool->retry);
    ticket_list_add(&pool->next_tickets, ticket);
    if (pool->upcoming) {
        config_retain(config);
        config_release(pool->next);
        pool->next = config;
        return;
    }
    struct ticket_list tickets = pool->next_tickets;
    pool->next_tickets = (struct ticket_list){ 0 };
    start_generation(pool, config, &tickets);
}

/* The reload that waited for the one before it. */
static void start_next(struct pool *pool)
{
    if (!pool->next || pool->stopping)
        return;
    struct config *config = pool->next;
    pool->next = NULL;
    struct ticket_list tickets = pool->next_tickets;
    pool->next_tickets = (struct ticket_list){ 0 };
    start_generation(pool, config, &tickets);
    config_release(config);
}

static bool is_named(const struct pool *pool, const struct listener *listener)
{
    for (size_t i = 0; i < pool->listener_count; i++)
        if (pool->listeners[i] == listener)
            return true;
    return false;
}

/*
 * A worker that is told to drain accepts nothing more once it is busy (it looks at the order before each accept) or
 * draining; one that is idle may be about to.
 */
static bool older_ones_may_accept(const struct generation *generation)
{
    for (const struct generation *older = generation->next; older; older = older->next)
        for (uint32_t i = 0; i < older->worker_slots; i++)
            if (older->workers[i].in_use && atomic_load(&older->workers[i].slot->state) == SLOT_IDLE)
                return true;
    return false;
}

/* Who asked for a reload, the service manager too, is told when no connection can reach the old code any more. */
static void look_at_handover(void *data)
{
    struct generation *generation = data;
    struct pool *pool = generation->pool;
    int64_t now = clock_monotonic_ns();
    if (older_ones_may_accept(generation) && now - generation->handover_began_ns < HANDOVER_NS) {
        loop_timer_set(pool->supervisor->loop, &generation->handover, now + CLOCK_NS_PER_MS);
        return;
    }
    char *text = xasprintf("%s: generation %u serves after %.3f s (apps loaded in %.3f s)", pool->name,
                           generation->number, (double)generation->serves_after_ns / (double)CLOCK_NS_PER_S,
                           (double)generation->load_ns / (double)CLOCK_NS_PER_S);
    ticket_list_settle(&generation->tickets, true, text);
    free(text);
    supervisor_pool_changed(pool->supervisor);
}

void pool_generation_serves(struct pool *pool, struct generation *generation)
{
    struct generation *before = pool->serving;
    pool->serving = generation;
    pool->upcoming = NULL;
    config_release(pool->stuck);
    pool->stuck = NULL;
    generation->serves_after_ns = clock_monotonic_ns() - generation->asked_ns;
    remember_error(pool, 0, NULL);
    backoff_succeeded(&pool->rebinds);
    renewal_set(pool);

    struct listener **old_listeners = pool->listeners;
    size_t old_count = pool->listener_count;
    pool->listeners = pool->upcoming_listeners;
    pool->listener_count = pool->upcoming_listener_count;
    pool->upcoming_listeners = NULL;
    pool->upcoming_listener_count = 0;
    for (size_t i = 0; i < pool->listener_count; i++)
        listener_settle(pool->listeners[i], &generation->settings->socket);

    if (before) {
        for (size_t i = 0; i < before->listener_count; i++)
            before->take_backlog |= !before->listeners[i]->inherited && !is_named(pool, before->listeners[i]);
    }
    release_listeners(pool, &old_listeners, &old_count);
    if (before)
        generation_event(before, GENERATION_DRAIN, "a newer one serves");

    generation->handover = (struct loop_timer){ .expired = look_at_handover, .data = generation };
    generation->handover_began_ns = clock_monotonic_ns();
    look_at_handover(generation);
    supervisor_pool_changed(pool->supervisor);
    start_next(pool);
}

void pool_renew(struct pool *pool)
{
    if (pool->serving && !pool->upcoming && !pool->stopping) {
        struct ticket_list none = { 0 };
        start_generation(pool, pool->serving->config, &none);
    }
}

static void retry_expired(void *data)
{
    pool_renew(data);
}

static const struct listener *missing_socket(const struct pool *pool, int watch)
{
    const struct listener *missing = NULL;
    for (size_t i = 0; i < pool->listener_count; i++)
        if (listener_look(pool->listeners[i], watch) == LISTENER_FILE_MISSING)
            missing = pool->listeners[i];
    return missing;
}

/* The workers of a generation without a mold serve on, but none of them can be replaced. */
static void look_for_retry(struct pool *pool)
{
    if (!pool->serving || pool->upcoming || pool->stopping)
        return;
    const struct listener *missing = NULL;
    bool without_mold = pool->serving->mold.pid == 0;
    if (!without_mold && !(missing = missing_socket(pool, -1)))
        return;
    int64_t pause = without_mold ? crash_loop_retry_pause(pool) : crash_loop_rebind_pause(pool);
    log_warnx("%s: %s%s: a new one is tried in %.1f s", pool->name,
              without_mold ? "the serving generation has no mold" : "no generation listens any more at ",
              without_mold ? "" : missing->address, (double)pause / (double)CLOCK_NS_PER_S);
    loop_timer_set(pool->supervisor->loop, &pool->retry, clock_monotonic_ns() + pause);
    fallback_look(&pool->fallback);
}

void pool_look_at_sockets(struct pool *pool, int watch)
{
    const struct listener *missing = missing_socket(pool, watch);
    if (!missing || !pool->serving || pool->upcoming || pool->stopping || loop_timer_is_set(&pool->retry))
        return;
    log_warnx("%s: %s was removed: a new generation binds it anew", pool->name, missing->address);
    pool_renew(pool);
}

void pool_mold_died(struct pool *pool, struct generation *generation)
{
    if (clock_monotonic_ns() - generation->mold.started_ns > MOLD_PROVEN_NS)
        backoff_succeeded(&pool->failures);
    if (pool->serving == generation)
        look_for_retry(pool);
}

void pool_generation_failed(struct pool *pool, struct generation *generation)
{
    if (pool->upcoming == generation) {
        pool->upcoming = NULL;
        get_stuck(pool, generation->config);
        release_listeners(pool, &pool->upcoming_listeners, &pool->upcoming_listener_count);
    }
    remember_error(pool, generation->number, generation->error.data);
    fallback_look(&pool->fallback);
    char *text = xasprintf("%s: generation %u failed: %s%s", pool->name, generation->number, generation->error.data,
                           pool->serving ? GOES_ON : "");
    ticket_list_settle(&generation->tickets, false, text);
    free(text);
    supervisor_pool_changed(pool->supervisor);
    renewal_set(pool);
    /* Where it came in one by one, some of the workers before it are gone. */
    if (pool->serving && !pool->stopping)
        workers_recycle(pool->serving);
    if (pool->next)
        start_next(pool);
    else
        look_for_retry(pool);
}

void pool_generation_over(struct pool *pool, struct generation *generation)
{
    struct generation **link = &pool->generations;
    while (*link != generation)
        link = &(*link)->next;
    *link = generation->next;
    if (pool->serving == generation)
        pool->serving = NULL;
    generation_free(generation);
    scaler_forget(pool);
    if (pool->serving) /* else the next one may name them again */
        stores_prune(pool);
    supervisor_pool_changed(pool->supervisor);
}

void pool_stop(struct pool *pool, bool now)
{
    if (!pool->stopping)
        log_info("%s: %s", pool->name, now ? "stops now" : "stops when the running requests are finished");
    pool->stopping = true;
    loop_timer_clear(pool->supervisor->loop, &pool->retry);
    renewal_clear(pool);
    ticket_list_settle(&pool->next_tickets, false, "the pool is being stopped");
    config_release(pool->next);
    pool->next = NULL;
    config_release(pool->stuck);
    pool->stuck = NULL;
    for (struct generation *generation = pool->generations; generation; generation = generation->next) {
        atomic_store(&generation->board->last, 1);
        for (size_t i = 0; i < generation->listener_count; i++)
            generation->take_backlog |= !generation->listeners[i]->inherited;
        generation_event(generation, GENERATION_DRAIN, "the pool stops");
        if (now)
            generation_kill(generation, "the pool stops now");
    }
    fallback_stop(&pool->fallback, now);
    release_listeners(pool, &pool->listeners, &pool->listener_count);
    supervisor_pool_changed(pool->supervisor);
}

void ledger_add(struct ledger *ledger, const struct slot *slot)
{
    ledger->accepted += atomic_load(&slot->accepted);
    ledger->completed += atomic_load(&slot->completed);
    ledger->error_answered += atomic_load(&slot->error_answered);
    ledger->client_gone += atomic_load(&slot->client_gone);
    ledger->malformed += atomic_load(&slot->malformed);
    ledger->late += atomic_load(&slot->late);
    ledger->management += atomic_load(&slot->management);
}

void pool_account(struct pool *pool, const struct slot *slot, bool answered_late)
{
    struct ledger one = { .error_answered = answered_late };
    ledger_add(&one, slot);
    pool->dead.error_answered += answered_late;
    uint64_t answered = one.completed + one.error_answered + one.client_gone;
    ledger_add(&pool->dead, slot);
    if (one.accepted > answered)
        pool->dead.lost += one.accepted - answered;
}

struct ledger pool_ledger(const struct pool *pool)
{
    struct ledger ledger = pool->dead;
    for (const struct generation *generation = pool->generations; generation; generation = generation->next)
        for (uint32_t i = 0; i < generation->worker_slots; i++)
            if (generation->workers[i].in_use)
                ledger_add(&ledger, generation->workers[i].slot);
    if (pool->fallback.board)
        ledger_add(&ledger, &pool->fallback.board->slot[0]);
    return ledger;
}
