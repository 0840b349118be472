#include "memory_report.h"

#include <stdio.h>

#include "clock.h"
#include "json.h"
#include "status.h"
#include "supervisor.h"

#define NO_SHARING (-1.0)

/* Shared memory counts once, as the largest share of one process; everything else is added up. */
struct total {
    struct memory_figures memory;
    uint64_t region; /* of the generations that are there */
    uint64_t broken_of_workers;
    uint64_t region_of_workers;
};

static uint64_t load(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

/* Whether it has looked at those pages yet or not. */
static uint64_t region_shared(const struct generation *generation, const struct memory_figures *memory)
{
    return generation->region_bytes > memory->broken ? generation->region_bytes - memory->broken : 0;
}

static double sharing(uint64_t broken, uint64_t region)
{
    return region > 0 ? 1 - (double)broken / (double)region : NO_SHARING;
}

static void add(struct total *total, const struct generation *generation, const struct memory_figures *memory,
                bool is_worker)
{
    for (int kind = 0; kind < MAPPING_KINDS; kind++)
        total->memory.parts[kind].private_bytes += memory->parts[kind].private_bytes;
    total->memory.private_bytes += memory->private_bytes;
    total->memory.broken += memory->broken;
    total->memory.page_tables += memory->page_tables;
    total->memory.swap += memory->swap;
    if (memory->shared > total->memory.shared)
        total->memory.shared = memory->shared;
    if (is_worker && memory->rss > 0) {
        total->broken_of_workers += memory->broken;
        total->region_of_workers += generation->region_bytes;
    }
}

static struct total add_up(const struct pool *pool)
{
    struct total total = { 0 };
    for (const struct generation *g = pool->generations; g; g = g->next) {
        total.region += g->region_bytes;
        if (g->mold.pid > 0)
            add(&total, g, &g->mold.memory, false);
        for (uint32_t i = 0; i < g->worker_slots; i++)
            if (g->workers[i].in_use)
                add(&total, g, &g->workers[i].memory, true);
    }
    return total;
}

/* JSON */

static void write_sharing(struct json_writer *json, double value)
{
    json_key(json, "sharing");
    if (value == NO_SHARING)
        json_null(json);
    else
        json_number(json, value);
}

static void begin_part(struct json_writer *json, const char *name, const struct memory_part *part)
{
    json_key(json, name);
    json_begin_object(json);
    json_key_integer(json, "rss", (int64_t)part->rss);
    json_key_integer(json, "private", (int64_t)part->private_bytes);
}

static void write_part(struct json_writer *json, const char *name, const struct memory_part *part)
{
    begin_part(json, name, part);
    json_end_object(json);
}

static void write_young(struct json_writer *json, const struct memory_part *part, const struct slot *slot)
{
    begin_part(json, "young", part);
    if (slot) {
        json_key_integer(json, "live", (int64_t)load(&slot->gc_live));
        json_key_integer(json, "slots", (int64_t)load(&slot->gc_slots));
        json_key_integer(json, "allocator_used", (int64_t)load(&slot->allocator_used));
        json_key_integer(json, "allocator_free", (int64_t)load(&slot->allocator_free));
    }
    json_end_object(json);
}

/* `slot`: of a worker, else NULL. */
static void write_memory(struct json_writer *json, const struct generation *generation,
                         const struct memory_figures *memory, int64_t measured_ns, const struct slot *slot)
{
    json_key(json, "age_s");
    if (measured_ns > 0)
        json_number(json, (double)(clock_monotonic_ns() - measured_ns) / (double)CLOCK_NS_PER_S);
    else
        json_null(json);
    json_key_integer(json, "rss", (int64_t)memory->rss);
    json_key_integer(json, "private", (int64_t)memory->private_bytes);
    json_key_integer(json, "shared", (int64_t)memory->shared);
    json_key_integer(json, "broken", (int64_t)memory->broken);
    write_sharing(json, sharing(memory->broken, generation->region_bytes));
    json_key(json, "region");
    json_begin_object(json);
    json_key_integer(json, "shared", (int64_t)region_shared(generation, memory));
    json_key_integer(json, "broken", (int64_t)memory->broken);
    json_key_integer(json, "rss", (int64_t)memory->parts[MAPPING_REGION].rss);
    json_end_object(json);
    write_young(json, &memory->parts[MAPPING_YOUNG], slot);
    write_part(json, "stack", &memory->parts[MAPPING_STACK]);
    write_part(json, "libraries", &memory->parts[MAPPING_LIBRARIES]);
    write_part(json, "other", &memory->parts[MAPPING_OTHER]);
    json_key_integer(json, "page_tables", (int64_t)memory->page_tables);
    json_key_integer(json, "swap", (int64_t)memory->swap);
}

static void write_worker(struct json_writer *json, const struct worker *worker)
{
    json_begin_object(json);
    json_key_integer(json, "pid", worker->pid);
    json_key_integer(json, "slot", worker->index);
    json_key_integer(json, "generation", worker->generation->number);
    json_key_string(json, "state", status_worker_state(worker));
    write_memory(json, worker->generation, &worker->memory, worker->measured_ns, worker->slot);
    json_end_object(json);
}

static void write_mold(struct json_writer *json, const struct generation *generation)
{
    json_begin_object(json);
    json_key_integer(json, "pid", generation->mold.pid);
    json_key_integer(json, "generation", generation->number);
    write_memory(json, generation, &generation->mold.memory, generation->mold.measured_ns, NULL);
    json_end_object(json);
}

static void write_total(struct json_writer *json, const struct total *total)
{
    json_key(json, "total");
    json_begin_object(json);
    json_key_integer(json, "region", (int64_t)total->region);
    json_key_integer(json, "private", (int64_t)total->memory.private_bytes);
    json_key_integer(json, "shared", (int64_t)total->memory.shared);
    json_key_integer(json, "broken", (int64_t)total->memory.broken);
    write_sharing(json, sharing(total->broken_of_workers, total->region_of_workers));
    json_key_integer(json, "page_tables", (int64_t)total->memory.page_tables);
    json_key_integer(json, "swap", (int64_t)total->memory.swap);
    json_end_object(json);
}

static void write_pool(struct json_writer *json, const struct pool *pool)
{
    struct total total = add_up(pool);
    json_begin_object(json);
    json_key_string(json, "name", pool->name);
    json_key_string(json, "state", status_pool_state(pool));
    write_total(json, &total);
    json_key(json, "molds");
    json_begin_array(json);
    for (const struct generation *g = pool->generations; g; g = g->next)
        if (g->mold.pid > 0)
            write_mold(json, g);
    json_end_array(json);
    json_key(json, "workers");
    json_begin_array(json);
    for (const struct generation *g = pool->generations; g; g = g->next)
        for (uint32_t i = 0; i < g->worker_slots; i++)
            if (g->workers[i].in_use)
                write_worker(json, &g->workers[i]);
    json_end_array(json);
    json_end_object(json);
}

void memory_report_json(const struct supervisor *supervisor, const struct pool *pool, struct strbuf *out)
{
    struct json_writer json = { .out = out, .pretty = true };
    json_begin_object(&json);
    json_key(&json, "pools");
    json_begin_array(&json);
    for (size_t i = 0; i < supervisor->pool_count; i++)
        if (!pool || supervisor->pools[i] == pool)
            write_pool(&json, supervisor->pools[i]);
    json_end_array(&json);
    json_end_object(&json);
    strbuf_puts(out, "\n");
}

/* The table */

static void print_cells(struct strbuf *out, uint64_t region, const struct memory_figures *memory, double shares)
{
    const uint64_t cells[] = {
        region,
        memory->broken,
        memory->parts[MAPPING_YOUNG].private_bytes,
        memory->parts[MAPPING_STACK].private_bytes,
        memory->parts[MAPPING_LIBRARIES].private_bytes,
        memory->parts[MAPPING_OTHER].private_bytes,
        memory->private_bytes,
        memory->shared,
    };
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        status_print_bytes(out, cells[i], 9);
    if (shares == NO_SHARING)
        strbuf_printf(out, " %8s", "-");
    else
        strbuf_printf(out, " %7.2f%%", (double)(unsigned)(shares * 10000 + 1e-6) / 100); /* 100 % is all of it */
    status_print_bytes(out, memory->page_tables, 9);
    status_print_bytes(out, memory->swap, 9);
    strbuf_puts(out, "\n");
}

static void print_process(struct strbuf *out, pid_t pid, const struct generation *generation, const char *name,
                          const struct memory_figures *memory)
{
    strbuf_printf(out, "%8ld %5u  %-9s", (long)pid, generation->number, name);
    if (memory->rss > 0)
        print_cells(out, region_shared(generation, memory), memory, sharing(memory->broken, generation->region_bytes));
    else
        strbuf_puts(out, "  not measured yet\n");
}

static void print_young(struct strbuf *out, const struct worker *worker)
{
    const struct slot *slot = worker->slot;
    strbuf_printf(out, "young heap of worker %u: %llu of %llu object slots taken; malloc has ", worker->index,
                  (unsigned long long)load(&slot->gc_live), (unsigned long long)load(&slot->gc_slots));
    if (load(&slot->allocator_used) > 0) {
        status_print_bytes(out, load(&slot->allocator_used), 0);
        strbuf_puts(out, " in use, ");
        status_print_bytes(out, load(&slot->allocator_free), 0);
        strbuf_puts(out, " free\n");
    } else {
        strbuf_puts(out, "not told\n");
    }
}

static void print_pool(struct strbuf *out, const struct pool *pool)
{
    struct total total = add_up(pool);
    strbuf_printf(out, "%s: %s\n%8s %5s  %-9s%9s%9s%9s%9s%9s%9s%9s%9s %8s%9s%9s\n", pool->name, status_pool_state(pool),
                  "PID", "GEN", "PROCESS", "REGION", "BROKEN", "YOUNG", "STACK", "LIBRARY", "OTHER", "PRIVATE",
                  "SHARED", "SHARING", "TABLES", "SWAP");
    for (const struct generation *g = pool->generations; g; g = g->next) {
        if (g->mold.pid > 0)
            print_process(out, g->mold.pid, g, "mold", &g->mold.memory);
        for (uint32_t i = 0; i < g->worker_slots; i++) {
            char name[24];
            snprintf(name, sizeof name, "worker %u", i);
            if (g->workers[i].in_use)
                print_process(out, g->workers[i].pid, g, name, &g->workers[i].memory);
        }
    }
    strbuf_printf(out, "%8s %5s  %-9s", "", "", "total");
    print_cells(out, total.region, &total.memory, sharing(total.broken_of_workers, total.region_of_workers));
    for (const struct generation *g = pool->generations; g; g = g->next)
        for (uint32_t i = 0; i < g->worker_slots; i++)
            if (g->workers[i].in_use && g->workers[i].memory.rss > 0)
                print_young(out, &g->workers[i]);
}

void memory_report_table(const struct supervisor *supervisor, const struct pool *pool, struct strbuf *out)
{
    for (size_t i = 0; i < supervisor->pool_count; i++) {
        if (pool && supervisor->pools[i] != pool)
            continue;
        print_pool(out, supervisor->pools[i]);
        strbuf_puts(out, "\n");
    }
    strbuf_puts(out, "REGION is what was loaded before the fork and is still shared, BROKEN what was copied of it; "
                     "YOUNG to OTHER\nis the private part of each; PRIVATE = BROKEN + YOUNG + STACK + LIBRARY + OTHER. "
                     "The total has shared memory once.\n");
}
