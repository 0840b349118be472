#include "crash_loop.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "clock.h"
#include "log.h"
#include "random_bits.h"
#include "shortage.h"
#include "supervisor.h"

/* When all workers of a generation have lived for so long, whatever made others die young is over. */
#define HEALTHY_NS (5 * CLOCK_NS_PER_S)

/* A shortage that lasts is told so often. */
#define SHORT_TOLD_NS (10 * CLOCK_NS_PER_S)

static const struct backoff_policy worker_policy = {
    .first_ns = 100 * CLOCK_NS_PER_MS,
    .longest_ns = 10 * CLOCK_NS_PER_S,
    .jitter = 20,
};

static const struct backoff_policy shortage_policy = {
    .first_ns = 100 * CLOCK_NS_PER_MS,
    .longest_ns = 500 * CLOCK_NS_PER_MS,
    .jitter = 20,
};

static const struct backoff_policy mold_policy = {
    .first_ns = 100 * CLOCK_NS_PER_MS,
    .longest_ns = 30 * CLOCK_NS_PER_S,
    .jitter = 20,
};

int64_t crash_loop_pause(struct generation *generation, bool died_young)
{
    if (!died_young) {
        backoff_succeeded(&generation->deaths);
        return 0;
    }
    int64_t pause = backoff_failed(&generation->deaths, &worker_policy, (uint32_t)random_bits());
    log_warnx("%s: workers die young: the next is forked in %lld ms", generation->pool->name,
              (long long)(pause / CLOCK_NS_PER_MS));
    return pause;
}

int64_t crash_loop_short(struct generation *generation, const char *what, int error)
{
    int64_t now = clock_monotonic_ns();

    if (generation->short_told_ns == 0 || now - generation->short_told_ns > SHORT_TOLD_NS) {
        log_warnx("%s: generation %u: %s: %s", generation->pool->name, generation->number, what, shortage_text(error));
        generation->short_told_ns = now;
    }
    return backoff_failed(&generation->deaths, &shortage_policy, (uint32_t)random_bits());
}

bool crash_loop_had_worker(struct generation *generation)
{
    if (generation->short_told_ns == 0)
        return false;
    log_info("%s: generation %u: workers can be had again", generation->pool->name, generation->number);
    generation->short_told_ns = 0;
    backoff_succeeded(&generation->deaths);
    return true;
}

int64_t crash_loop_retry_pause(struct pool *pool)
{
    return backoff_failed(&pool->failures, &mold_policy, (uint32_t)random_bits());
}

int64_t crash_loop_rebind_pause(struct pool *pool)
{
    return backoff_failed(&pool->rebinds, &mold_policy, (uint32_t)random_bits());
}

static void note_poison(struct worker *worker)
{
    struct generation *generation = worker->generation;
    uint64_t hash = atomic_load(&worker->slot->request_hash);
    char request[SLOT_REQUEST_SIZE];

    if (hash == 0 || poison_killed(&generation->poison, hash, clock_monotonic_ns()) != POISON_DEATHS)
        return;
    memcpy(request, worker->slot->request, sizeof request);
    request[sizeof request - 1] = '\0';
    log_warnx("%s: %s has ended %d workers: it is answered 503 for the next %d minutes", generation->pool->name,
              request, POISON_DEATHS, (int)(POISON_MEMORY_NS / CLOCK_NS_PER_S / 60));
    poison_publish(&generation->poison, generation->board);
}

void crash_loop_examine(struct worker *worker, int status, bool killed)
{
    struct pool *pool = worker->generation->pool;
    bool shot = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !killed;

    worker->killed_for_memory = shot && oom_watch_take(&pool->supervisor->oom_watch);
    pool->killed_for_memory += worker->killed_for_memory;
    if (!worker->trace && atomic_load(&worker->slot->request_started_ns) != 0 &&
        poison_is_cause(status, worker->told_to_go != NULL, worker->killed_for_memory))
        note_poison(worker);
}

/* None has died for a while, and none is missing but those on their way. */
static bool is_healthy(const struct generation *generation, int64_t now_ns)
{
    bool any = false;

    for (uint32_t i = 0; i < generation->worker_slots; i++) {
        const struct worker *worker = &generation->workers[i];
        if (!worker->in_use)
            continue;
        if (worker->state == CHILD_STARTING || now_ns - worker->started_ns < HEALTHY_NS)
            return false;
        any = true;
    }
    return any && !loop_timer_is_set(&generation->refill);
}

void crash_loop_look(struct pool *pool)
{
    struct generation *generation = pool->serving;
    int64_t now = clock_monotonic_ns();

    if (generation->deaths.failures > 0 && is_healthy(generation, now))
        backoff_succeeded(&generation->deaths);
    if (poison_forget(&generation->poison, now))
        poison_publish(&generation->poison, generation->board);
    fallback_look(&pool->fallback);
}

int64_t crash_loop_remaining(const struct pool *pool, int64_t now_ns)
{
    const struct generation *generation = pool->serving;
    const struct loop_timer *timer = generation && generation->mold.pid != 0 && loop_timer_is_set(&generation->refill)
                                         ? &generation->refill
                                     : loop_timer_is_set(&pool->retry) ? &pool->retry
                                                                       : NULL;

    return timer && timer->deadline_ns > now_ns ? timer->deadline_ns - now_ns : 0;
}

bool crash_loop_is_failing(const struct pool *pool)
{
    const struct generation *generation = pool->serving;

    return generation &&
           (generation->deaths.failures > 1 || (generation->mold.pid == 0 && pool->failures.failures > 1));
}
