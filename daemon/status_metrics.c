#include "status_metrics.h"

#include <string.h>

#include "clock.h"
#include "metrics_text.h"
#include "status.h"
#include "supervisor.h"

/* In place of a number: there is none. */
#define NOTHING (-1.0)

static const char *const worker_states[] = { "starting", "idle", "busy", "draining", "killed" };
static const char *const pool_states[] = { "starting", "serving",  "reloading", "failing",
                                           "failed",   "fallback", "stopping" };

static uint64_t load(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static const struct generation *current(const struct pool *pool)
{
    return pool->serving ? pool->serving : pool->generations;
}

/* The worker behind this one (NULL: the first) in all generations of the pool. */
static const struct worker *next_worker(const struct pool *pool, const struct worker *worker)
{
    const struct generation *generation = worker ? worker->generation : pool->generations;
    uint32_t index = worker ? (uint32_t)(worker - generation->workers) + 1 : 0;
    for (; generation; generation = generation->next, index = 0)
        for (; index < generation->worker_slots; index++)
            if (generation->workers[index].in_use)
                return &generation->workers[index];
    return NULL;
}

/* Values of one number each */

static double generation_number(const struct pool *pool)
{
    return current(pool) ? current(pool)->number : 0;
}

static double workers_wanted(const struct pool *pool)
{
    return current(pool) ? scaler_wanted(current(pool)) : 0;
}

static double accepted(const struct pool *pool)
{
    return (double)pool_ledger(pool).accepted;
}

static double all_busy(const struct pool *pool)
{
    return (double)pool->all_busy;
}

static double killed_for_memory(const struct pool *pool)
{
    return (double)pool->killed_for_memory;
}

static double fallback_starts(const struct pool *pool)
{
    return (double)pool->fallback.started;
}

static double refused_requests(const struct pool *pool)
{
    return pool->serving ? poison_refused(&pool->serving->poison) : 0;
}

static double region_bytes(const struct pool *pool)
{
    return current(pool) ? (double)current(pool)->region_bytes : 0;
}

static double region_objects(const struct pool *pool)
{
    return current(pool) ? (double)current(pool)->region_objects : 0;
}

static double budget(const struct pool *pool)
{
    const struct generation *generation = current(pool);
    return generation && generation->settings->memory > 0 ? (double)generation->settings->memory : NOTHING;
}

static double budget_taken(const struct pool *pool)
{
    return budget(pool) > 0 ? (double)current(pool)->budget_taken : NOTHING;
}

/* Of the workers that have been measured. */
static double sharing(const struct pool *pool)
{
    double loaded = 0, broken = 0;
    for (const struct worker *worker = NULL; (worker = next_worker(pool, worker));) {
        if (worker->measured_ns == 0 || worker->generation->region_bytes == 0)
            continue;
        loaded += (double)worker->generation->region_bytes;
        broken += (double)worker->memory.broken;
    }
    return loaded > 0 ? 1 - broken / loaded : NOTHING;
}

static double collections(const struct pool *pool)
{
    uint64_t count = 0;
    for (const struct worker *worker = NULL; (worker = next_worker(pool, worker));)
        count += load(&worker->slot->gc_count);
    return (double)count;
}

static double longest_pause(const struct pool *pool)
{
    uint64_t longest = 0;
    for (const struct worker *worker = NULL; (worker = next_worker(pool, worker));)
        if (load(&worker->slot->gc_pause_us_max) > longest)
            longest = load(&worker->slot->gc_pause_us_max);
    return (double)longest / 1e6;
}

static double live_objects(const struct pool *pool)
{
    uint64_t count = 0;
    for (const struct worker *worker = NULL; (worker = next_worker(pool, worker));)
        count += load(&worker->slot->gc_live);
    return (double)count;
}

static const struct {
    struct metrics_family family;
    double (*value)(const struct pool *pool);
} numbers[] = {
    { { "cowherd_generation", METRICS_GAUGE, NULL, "Number of the generation that serves." }, generation_number },
    { { "cowherd_workers_wanted", METRICS_GAUGE, NULL, "Workers that the pool is to have now." }, workers_wanted },
    { { "cowherd_requests_accepted", METRICS_COUNTER, NULL, "Requests whose head has come whole." }, accepted },
    { { "cowherd_all_busy_seconds", METRICS_COUNTER, "seconds", "Seconds in which no worker was idle." }, all_busy },
    { { "cowherd_killed_for_memory", METRICS_COUNTER, NULL, "Workers that the kernel has killed for memory." },
      killed_for_memory },
    { { "cowherd_fallback_starts", METRICS_COUNTER, NULL, "Times that the fallback had to answer." }, fallback_starts },
    { { "cowherd_refused_requests", METRICS_GAUGE, NULL, "Different requests refused because they end workers." },
      refused_requests },
    { { "cowherd_region_bytes", METRICS_GAUGE, "bytes", "Memory that was loaded before the fork." }, region_bytes },
    { { "cowherd_region_objects", METRICS_GAUGE, NULL, "Objects that were loaded before the fork." }, region_objects },
    { { "cowherd_memory_budget_bytes", METRICS_GAUGE, "bytes", "Memory that the pool may take." }, budget },
    { { "cowherd_memory_taken_bytes", METRICS_GAUGE, "bytes", "Memory that counts for the budget." }, budget_taken },
    { { "cowherd_sharing_ratio", METRICS_GAUGE, "ratio", "Part of the loaded memory that workers still share." },
      sharing },
    { { "cowherd_gc_collections", METRICS_GAUGE, NULL, "Collections of the workers that live." }, collections },
    { { "cowherd_gc_longest_pause_seconds", METRICS_GAUGE, "seconds", "The longest of their pauses." }, longest_pause },
    { { "cowherd_gc_live_objects", METRICS_GAUGE, NULL, "Objects that live in their own heaps." }, live_objects },
};

static void put_numbers(const struct supervisor *supervisor, struct strbuf *out)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        metrics_begin(out, &numbers[i].family);
        for (size_t j = 0; j < supervisor->pool_count; j++) {
            double value = numbers[i].value(supervisor->pools[j]);
            if (value != NOTHING)
                metrics_sample(out, &numbers[i].family,
                               (struct metrics_label[]){ { "pool", supervisor->pools[j]->name } }, 1, value);
        }
    }
}

/* Values with a second label */

static void put(struct strbuf *out, const struct metrics_family *family, const struct pool *pool, const char *label,
                const char *word, double value)
{
    metrics_sample(out, family, (struct metrics_label[]){ { "pool", pool->name }, { label, word } }, 2, value);
}

static void put_states(const struct supervisor *supervisor, struct strbuf *out)
{
    static const struct metrics_family family = { "cowherd_pool_state", METRICS_STATESET, NULL,
                                                  "What the pool is doing." };
    metrics_begin(out, &family);
    for (size_t i = 0; i < supervisor->pool_count; i++)
        for (size_t j = 0; j < sizeof pool_states / sizeof *pool_states; j++)
            put(out, &family, supervisor->pools[i], family.name, pool_states[j],
                strcmp(status_pool_state(supervisor->pools[i]), pool_states[j]) == 0);
}

static void put_workers(const struct supervisor *supervisor, struct strbuf *out)
{
    static const struct metrics_family family = { "cowherd_workers", METRICS_GAUGE, NULL, "Workers by state." };
    metrics_begin(out, &family);
    for (size_t i = 0; i < supervisor->pool_count; i++) {
        const struct pool *pool = supervisor->pools[i];
        for (size_t j = 0; j < sizeof worker_states / sizeof *worker_states; j++) {
            unsigned count = 0;
            for (const struct worker *worker = NULL; (worker = next_worker(pool, worker));)
                count += strcmp(status_worker_state(worker), worker_states[j]) == 0;
            put(out, &family, pool, "state", worker_states[j], count);
        }
    }
}

static void put_ledgers(const struct supervisor *supervisor, struct strbuf *out)
{
    static const struct metrics_family ended = { "cowherd_requests", METRICS_COUNTER, NULL,
                                                 "Requests by how they ended." };
    static const struct metrics_family refused = { "cowherd_connections_refused", METRICS_COUNTER, NULL,
                                                   "What came in place of a request." };
    metrics_begin(out, &ended);
    for (size_t i = 0; i < supervisor->pool_count; i++) {
        const struct ledger ledger = pool_ledger(supervisor->pools[i]);
        put(out, &ended, supervisor->pools[i], "outcome", "completed", (double)ledger.completed);
        put(out, &ended, supervisor->pools[i], "outcome", "error_answered", (double)ledger.error_answered);
        put(out, &ended, supervisor->pools[i], "outcome", "client_gone", (double)ledger.client_gone);
        put(out, &ended, supervisor->pools[i], "outcome", "lost", (double)ledger.lost);
    }
    metrics_begin(out, &refused);
    for (size_t i = 0; i < supervisor->pool_count; i++) {
        const struct ledger ledger = pool_ledger(supervisor->pools[i]);
        put(out, &refused, supervisor->pools[i], "reason", "malformed", (double)ledger.malformed);
        put(out, &refused, supervisor->pools[i], "reason", "late", (double)ledger.late);
        put(out, &refused, supervisor->pools[i], "reason", "management", (double)ledger.management);
    }
}

static void put_recycled(const struct supervisor *supervisor, struct strbuf *out)
{
    static const struct metrics_family family = { "cowherd_recycled_workers", METRICS_COUNTER, NULL,
                                                  "Workers that were replaced, by reason." };
    metrics_begin(out, &family);
    for (size_t i = 0; i < supervisor->pool_count; i++)
        for (int reason = RECYCLE_NONE + 1; reason < RECYCLE_REASONS; reason++)
            put(out, &family, supervisor->pools[i], "reason", recycle_reason_name((enum recycle_reason)reason),
                (double)supervisor->pools[i]->recycled[reason]);
}

static void put_memory(const struct supervisor *supervisor, struct strbuf *out)
{
    static const struct metrics_family workers = { "cowherd_workers_memory_bytes", METRICS_GAUGE, "bytes",
                                                   "Memory of all workers; what they share counts for each." };
    static const struct metrics_family mold = { "cowherd_mold_memory_bytes", METRICS_GAUGE, "bytes",
                                                "Memory of the mold." };
    metrics_begin(out, &workers);
    for (size_t i = 0; i < supervisor->pool_count; i++) {
        const struct pool *pool = supervisor->pools[i];
        struct memory_figures sum = { 0 };
        for (const struct worker *worker = NULL; (worker = next_worker(pool, worker));) {
            sum.shared += worker->memory.shared;
            sum.private_bytes += worker->memory.private_bytes;
            sum.broken += worker->memory.broken;
            sum.page_tables += worker->memory.page_tables;
            sum.swap += worker->memory.swap;
        }
        put(out, &workers, pool, "kind", "shared", (double)sum.shared);
        put(out, &workers, pool, "kind", "private", (double)sum.private_bytes);
        put(out, &workers, pool, "kind", "broken", (double)sum.broken);
        put(out, &workers, pool, "kind", "page_tables", (double)sum.page_tables);
        put(out, &workers, pool, "kind", "swap", (double)sum.swap);
    }
    metrics_begin(out, &mold);
    for (size_t i = 0; i < supervisor->pool_count; i++) {
        const struct generation *generation = current(supervisor->pools[i]);
        if (!generation || generation->mold.measured_ns == 0)
            continue;
        put(out, &mold, supervisor->pools[i], "kind", "shared", (double)generation->mold.memory.shared);
        put(out, &mold, supervisor->pools[i], "kind", "private", (double)generation->mold.memory.private_bytes);
    }
}

/* Where the kernel tells. */
static void put_queues(const struct supervisor *supervisor, struct strbuf *out)
{
    static const struct metrics_family families[] = {
        { "cowherd_queue_connections", METRICS_GAUGE, NULL, "Connections that wait to be accepted." },
        { "cowherd_queue_limit_connections", METRICS_GAUGE, NULL, "Connections that may wait." },
        { "cowherd_queue_peak_connections", METRICS_GAUGE, NULL, "The most that were seen waiting." },
    };
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        metrics_begin(out, &families[i]);
        for (size_t j = 0; j < supervisor->pool_count; j++) {
            const struct pool *pool = supervisor->pools[j];
            for (size_t k = 0; k < pool->listener_count; k++) {
                struct listen_queue queue = listener_queue(pool->listeners[k]);
                const double values[] = { (double)queue.waiting, (double)queue.bound,
                                          (double)pool->listeners[k]->queue_peak };
                if (queue.waiting >= 0)
                    put(out, &families[i], pool, "listen", pool->listeners[k]->address, values[i]);
            }
        }
    }
}

static void put_supervisor(const struct supervisor *supervisor, struct strbuf *out)
{
    static const struct metrics_family build = { "cowherd_build", METRICS_INFO, NULL, "The supervisor's version." };
    static const struct metrics_family uptime = { "cowherd_uptime_seconds", METRICS_GAUGE, "seconds",
                                                  "Since the supervisor was started." };
    metrics_begin(out, &build);
    metrics_sample(out, &build, (struct metrics_label[]){ { "version", COWHERD_VERSION } }, 1, 1);
    metrics_begin(out, &uptime);
    metrics_sample(out, &uptime, NULL, 0,
                   (double)(clock_monotonic_ns() - supervisor->started_ns) / (double)CLOCK_NS_PER_S);
}

void status_metrics(struct supervisor *supervisor, struct strbuf *out)
{
    sampler_refresh(&supervisor->sampler);
    put_supervisor(supervisor, out);
    put_states(supervisor, out);
    put_workers(supervisor, out);
    put_ledgers(supervisor, out);
    put_recycled(supervisor, out);
    put_memory(supervisor, out);
    put_queues(supervisor, out);
    put_numbers(supervisor, out);
    metrics_end(out);
}
