#include "status.h"

#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "crash_loop.h"
#include "json.h"
#include "supervisor.h"

static double seconds_since(int64_t then_ns)
{
    return (double)(clock_monotonic_ns() - then_ns) / (double)CLOCK_NS_PER_S;
}

static uint64_t load(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

/* Idle or busy is the worker's to say, everything else the supervisor's. */
const char *status_worker_state(const struct worker *worker)
{
    if (worker->state != CHILD_SERVING)
        return child_state_name(worker->state);
    return slot_state_name(atomic_load_explicit(&worker->slot->state, memory_order_relaxed));
}

const char *status_pool_state(const struct pool *pool)
{
    if (pool->stopping)
        return "stopping";
    if (pool->upcoming)
        return pool->serving ? "reloading" : "starting";
    if (pool->fallback.pid != 0 && !pool->fallback.leaving)
        return "fallback";
    if (crash_loop_is_failing(pool))
        return "failing";
    return pool->serving ? "serving" : "failed";
}

static void write_memory(struct json_writer *json, const struct memory_figures *memory)
{
    json_begin_object(json);
    json_key_integer(json, "rss", (int64_t)memory->rss);
    json_key_integer(json, "shared", (int64_t)memory->shared);
    json_key_integer(json, "private", (int64_t)memory->private_bytes);
    json_key_integer(json, "broken", (int64_t)memory->broken);
    json_key_integer(json, "page_tables", (int64_t)memory->page_tables);
    json_key_integer(json, "swap", (int64_t)memory->swap);
    json_end_object(json);
}

static void write_worker(struct json_writer *json, const struct worker *worker)
{
    const struct slot *slot = worker->slot;
    uint32_t app = atomic_load_explicit(&slot->app, memory_order_relaxed);
    json_begin_object(json);
    json_key_integer(json, "pid", worker->pid);
    json_key_integer(json, "slot", worker->index);
    json_key_integer(json, "generation", worker->generation->number);
    json_key_string(json, "state", status_worker_state(worker));
    json_key_string(json, "app", app == SCOREBOARD_NO_APP ? NULL : generation_app_name(worker->generation, app));
    json_key_integer(json, "requests", (int64_t)load(&slot->accepted));
    json_key_integer(json, "connections", atomic_load_explicit(&slot->connections, memory_order_relaxed));
    json_key_integer(json, "symbols", (int64_t)load(&slot->symbols));
    json_key_number(json, "uptime_s", seconds_since(worker->started_ns));
    json_key_number(json, "ready_s", (double)worker->ready_after_ns / (double)CLOCK_NS_PER_S);
    json_key(json, "memory");
    write_memory(json, &worker->memory);
    json_key(json, "gc");
    json_begin_object(json);
    json_key_integer(json, "count", (int64_t)load(&slot->gc_count));
    json_key_integer(json, "pause_us_max", (int64_t)load(&slot->gc_pause_us_max));
    json_key_integer(json, "live", (int64_t)load(&slot->gc_live));
    json_key_integer(json, "slots", (int64_t)load(&slot->gc_slots));
    json_key_integer(json, "allocator_used", (int64_t)load(&slot->allocator_used));
    json_key_integer(json, "allocator_free", (int64_t)load(&slot->allocator_free));
    json_end_object(json);
    json_end_object(json);
}

static void write_listeners(struct json_writer *json, const struct pool *pool)
{
    json_key(json, "listen");
    json_begin_array(json);
    for (size_t i = 0; i < pool->listener_count; i++) {
        struct listen_queue queue = listener_queue(pool->listeners[i]);
        json_begin_object(json);
        json_key_string(json, "address", pool->listeners[i]->address);
        if (pool->listeners[i]->inherited)
            json_key_string(json, "bound", pool->listeners[i]->inherited);
        json_key_integer(json, "queue", queue.waiting);
        json_key_integer(json, "queue_max", queue.bound);
        json_key_integer(json, "queue_peak", pool->listeners[i]->queue_peak);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_ledger(struct json_writer *json, const struct pool *pool)
{
    struct ledger ledger = pool_ledger(pool);
    json_key(json, "ledger");
    json_begin_object(json);
    json_key_integer(json, "accepted", (int64_t)ledger.accepted);
    json_key_integer(json, "completed", (int64_t)ledger.completed);
    json_key_integer(json, "error_answered", (int64_t)ledger.error_answered);
    json_key_integer(json, "client_gone", (int64_t)ledger.client_gone);
    json_key_integer(json, "lost", (int64_t)ledger.lost);
    json_end_object(json);
    json_key(json, "refused");
    json_begin_object(json);
    json_key_integer(json, "malformed", (int64_t)ledger.malformed);
    json_key_integer(json, "late", (int64_t)ledger.late);
    json_key_integer(json, "management", (int64_t)ledger.management);
    json_end_object(json);
}

static void write_recycled(struct json_writer *json, const struct pool *pool)
{
    json_key(json, "recycled");
    json_begin_object(json);
    json_key_integer(json, "requests", (int64_t)pool->recycled[RECYCLE_REQUESTS]);
    json_key_integer(json, "age", (int64_t)pool->recycled[RECYCLE_AGE]);
    json_key_integer(json, "private_memory", (int64_t)pool->recycled[RECYCLE_PRIVATE_MEMORY]);
    json_key_integer(json, "symbols", (int64_t)pool->recycled[RECYCLE_SYMBOLS]);
    json_key_integer(json, "memory_budget", (int64_t)pool->recycled[RECYCLE_MEMORY_BUDGET]);
    json_key_integer(json, "memory_limit", (int64_t)pool->recycled[RECYCLE_MEMORY_LIMIT]);
    json_end_object(json);
    json_key(json, "last_recycled");
    json_begin_object(json);
    if (pool->last_recycled.reason != RECYCLE_NONE) {
        json_key_integer(json, "pid", pool->last_recycled.pid);
        json_key_string(json, "reason", recycle_reason_name(pool->last_recycled.reason));
        json_key_string(json, "because", pool->last_recycled.because);
        json_key_number(json, "seconds_ago", seconds_since(pool->last_recycled.at_ns));
    }
    json_end_object(json);
}

static void write_crashes(struct json_writer *json, const struct pool *pool)
{
    const struct generation *generation = pool->serving;
    json_key(json, "crashes");
    json_begin_object(json);
    json_key_integer(json, "young", generation ? generation->deaths.failures : 0);
    json_key_number(json, "pause_s", (double)crash_loop_remaining(pool, clock_monotonic_ns()) / (double)CLOCK_NS_PER_S);
    json_key_integer(json, "refused_requests", generation ? poison_refused(&generation->poison) : 0);
    json_key_integer(json, "killed_for_memory", (int64_t)pool->killed_for_memory);
    json_end_object(json);
    json_key(json, "fallback");
    json_begin_object(json);
    json_key_integer(json, "pid", pool->fallback.pid);
    json_key_integer(json, "started", (int64_t)pool->fallback.started);
    json_end_object(json);
}

static void write_budget(struct json_writer *json, const struct generation *generation)
{
    json_key(json, "memory");
    json_begin_object(json);
    json_key_integer(json, "budget", generation ? generation->settings->memory : 0);
    json_key_integer(json, "taken", generation ? (int64_t)generation->budget_taken : 0);
    json_end_object(json);
}

static void write_scaling(struct json_writer *json, const struct generation *generation)
{
    json_key(json, "scaling");
    json_begin_object(json);
    json_key_integer(json, "wanted", generation ? scaler_wanted(generation) : 0);
    json_key_integer(json, "min", generation ? generation->settings->workers.min : 0);
    json_key_integer(json, "max", generation ? generation->settings->workers.max : 0);
    json_key_integer(json, "spare", generation ? generation->settings->workers.spare : 0);
    json_end_object(json);
}

static void write_generations(struct json_writer *json, const struct pool *pool)
{
    json_key(json, "generations");
    json_begin_array(json);
    bool failed_is_listed = false;
    for (const struct generation *g = pool->generations; g; g = g->next) {
        failed_is_listed |= g->number == pool->last_error_generation;
        json_begin_object(json);
        json_key_integer(json, "number", g->number);
        json_key_string(json, "state", generation_state_name(g->state));
        json_key_string(json, "error", g->error.length ? g->error.data : NULL);
        json_end_object(json);
    }
    if (pool->last_error && !failed_is_listed) {
        json_begin_object(json);
        json_key_integer(json, "number", pool->last_error_generation);
        json_key_string(json, "state", generation_state_name(GENERATION_FAILED));
        json_key_string(json, "error", pool->last_error);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_pool(struct json_writer *json, const struct pool *pool)
{
    const struct generation *current = pool->serving ? pool->serving : pool->generations;
    json_begin_object(json);
    json_key_string(json, "name", pool->name);
    json_key_integer(json, "generation", current ? current->number : 0);
    json_key_string(json, "state", status_pool_state(pool));
    write_listeners(json, pool);
    json_key_integer(json, "all_busy", (int64_t)pool->all_busy);
    write_ledger(json, pool);
    write_recycled(json, pool);
    write_crashes(json, pool);
    write_budget(json, current);
    write_scaling(json, current);
    json_key(json, "region");
    json_begin_object(json);
    json_key_integer(json, "bytes", current ? (int64_t)current->region_bytes : 0);
    json_key_integer(json, "objects", current ? (int64_t)current->region_objects : 0);
    json_end_object(json);
    json_key(json, "mold");
    json_begin_object(json);
    json_key_integer(json, "pid", current ? current->mold.pid : 0);
    json_key(json, "memory");
    write_memory(json, current ? &current->mold.memory : &(struct memory_figures){ 0 });
    json_end_object(json);
    json_key(json, "workers");
    json_begin_array(json);
    for (const struct generation *g = pool->generations; g; g = g->next)
        for (uint32_t i = 0; i < g->worker_slots; i++)
            if (g->workers[i].in_use)
                write_worker(json, &g->workers[i]);
    json_end_array(json);
    write_generations(json, pool);
    json_end_object(json);
}

void status_json(struct supervisor *supervisor, struct strbuf *out)
{
    sampler_refresh(&supervisor->sampler);
    struct json_writer json = { .out = out, .pretty = true };
    json_begin_object(&json);
    json_key_string(&json, "version", COWHERD_VERSION);
    json_key(&json, "supervisor");
    json_begin_object(&json);
    json_key_integer(&json, "pid", getpid());
    json_key_number(&json, "uptime_s", seconds_since(supervisor->started_ns));
    json_end_object(&json);
    json_key(&json, "pools");
    json_begin_array(&json);
    for (size_t i = 0; i < supervisor->pool_count; i++)
        write_pool(&json, supervisor->pools[i]);
    json_end_array(&json);
    json_end_object(&json);
    strbuf_puts(out, "\n");
}

void status_print_bytes(struct strbuf *out, uint64_t bytes, int width)
{
    if (bytes < UINT64_C(10) << 20)
        strbuf_printf(out, "%*lluk", width - 1, (unsigned long long)(bytes >> 10));
    else
        strbuf_printf(out, "%*.1fM", width - 1, (double)bytes / (1 << 20));
}

static void print_row(struct strbuf *out, pid_t pid, unsigned generation, const char *state, int64_t requests,
                      const struct memory_figures *memory)
{
    strbuf_printf(out, "%8ld %5u  %-9s ", (long)pid, generation, state);
    if (requests >= 0)
        strbuf_printf(out, "%10lld ", (long long)requests);
    else
        strbuf_printf(out, "%10s ", "-");
    status_print_bytes(out, memory->rss, 9);
    strbuf_puts(out, " ");
    status_print_bytes(out, memory->shared, 9);
    strbuf_printf(out, " (%3u%%) ", memory->rss ? (unsigned)(memory->shared * 100 / memory->rss) : 0);
    status_print_bytes(out, memory->private_bytes, 9);
    strbuf_puts(out, "\n");
}

static void print_scaling(struct strbuf *out, const struct generation *generation)
{
    const struct config_workers *workers = &generation->settings->workers;
    strbuf_printf(out, "workers: %u wanted, ", scaler_wanted(generation));
    if (workers->min == workers->max)
        strbuf_printf(out, "%u configured\n", workers->max);
    else
        strbuf_printf(out, "%u to %u configured\n", workers->min, workers->max);
}

static void print_generations(struct strbuf *out, const struct pool *pool)
{
    for (const struct generation *g = pool->generations; g; g = g->next)
        if (!pool->last_error || g->number != pool->last_error_generation)
            strbuf_printf(out, "generation %u: %s\n", g->number, generation_state_name(g->state));
    if (pool->last_error)
        strbuf_printf(out, "generation %u failed: %s\n", pool->last_error_generation, pool->last_error);
}

/* Nothing where nothing is wrong. */
static void print_crashes(struct strbuf *out, const struct pool *pool)
{
    double pause = (double)crash_loop_remaining(pool, clock_monotonic_ns()) / (double)CLOCK_NS_PER_S;
    uint32_t refused = pool->serving ? poison_refused(&pool->serving->poison) : 0;
    if (pool->fallback.pid != 0)
        strbuf_printf(out, "no worker: the fallback (pid %ld) answers 503\n", (long)pool->fallback.pid);
    if (crash_loop_is_failing(pool) && pause > 0)
        strbuf_printf(out, "workers die young: the next try is in %.1f s\n", pause);
    if (refused > 0)
        strbuf_printf(out, "refused because they end workers: %u requests\n", refused);
    if (pool->killed_for_memory > 0)
        strbuf_printf(out, "ended by the kernel for memory: %llu workers\n",
                      (unsigned long long)pool->killed_for_memory);
}

static void print_pool(struct strbuf *out, const struct pool *pool)
{
    struct ledger ledger = pool_ledger(pool);
    strbuf_printf(out, "%s: %s", pool->name, status_pool_state(pool));
    for (size_t i = 0; i < pool->listener_count; i++) {
        struct listener *listener = pool->listeners[i];
        struct listen_queue queue = listener_queue(listener);
        strbuf_printf(out, ", %s", listener->address);
        if (listener->inherited)
            strbuf_printf(out, " = %s", listener->inherited);
        if (queue.waiting >= 0)
            strbuf_printf(out, " (%lld of %lld waiting, at most %lld)", (long long)queue.waiting,
                          (long long)queue.bound, (long long)listener->queue_peak);
    }
    if (pool->all_busy > 0)
        strbuf_printf(out, "\nall workers busy: %llu s", (unsigned long long)pool->all_busy);
    strbuf_printf(out, "\n%llu accepted, %llu completed, %llu error answered, %llu client gone, %llu lost\n",
                  (unsigned long long)ledger.accepted, (unsigned long long)ledger.completed,
                  (unsigned long long)ledger.error_answered, (unsigned long long)ledger.client_gone,
                  (unsigned long long)ledger.lost);
    strbuf_puts(out, "recycled:");
    for (int reason = RECYCLE_NONE + 1; reason < RECYCLE_REASONS; reason++)
        strbuf_printf(out, "%s %llu for %s", reason > RECYCLE_NONE + 1 ? "," : "",
                      (unsigned long long)pool->recycled[reason], recycle_reason_name((enum recycle_reason)reason));
    strbuf_puts(out, "\n");
    if (pool->last_recycled.reason != RECYCLE_NONE)
        strbuf_printf(out, "last recycled: %ld, %.0f s ago: %s\n", (long)pool->last_recycled.pid,
                      seconds_since(pool->last_recycled.at_ns), pool->last_recycled.because);
    if (pool->serving)
        print_scaling(out, pool->serving);
    if (pool->serving && pool->serving->settings->memory > 0)
        strbuf_printf(out, "memory: %.1f MiB of %.1f MiB\n", (double)pool->serving->budget_taken / (1 << 20),
                      (double)pool->serving->settings->memory / (1 << 20));
    print_generations(out, pool);
    print_crashes(out, pool);
    strbuf_printf(out, "%8s %5s  %-9s %10s %9s %9s %6s %9s\n", "PID", "GEN", "STATE", "REQUESTS", "RSS", "SHARED", "",
                  "PRIVATE");
    for (const struct generation *g = pool->generations; g; g = g->next) {
        if (g->mold.pid)
            print_row(out, g->mold.pid, g->number, "mold", -1, &g->mold.memory);
        for (uint32_t i = 0; i < g->worker_slots; i++)
            if (g->workers[i].in_use)
                print_row(out, g->workers[i].pid, g->number, status_worker_state(&g->workers[i]),
                          (int64_t)load(&g->workers[i].slot->accepted), &g->workers[i].memory);
    }
}

void status_table(struct supervisor *supervisor, struct strbuf *out)
{
    sampler_refresh(&supervisor->sampler);
    strbuf_printf(out, "cowherd %s, pid %ld, up %.0f s\n", COWHERD_VERSION, (long)getpid(),
                  seconds_since(supervisor->started_ns));
    for (size_t i = 0; i < supervisor->pool_count; i++) {
        strbuf_puts(out, "\n");
        print_pool(out, supervisor->pools[i]);
    }
}
