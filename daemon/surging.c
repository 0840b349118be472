#include "surging.h"

#include <errno.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "memory_meter.h"
#include "pool.h"
#include "scaler.h"
#include "shortage.h"
#include "supervisor.h"
#include "surge.h"
#include "workers.h"

/* What a worker may take longer than its drain_timeout until it is gone. */
#define GONE_NS (2 * CLOCK_NS_PER_S)

/* What a worker has for itself soon after the fork, as seen of those that serve. */
static uint64_t worker_share(const struct generation *generation)
{
    uint64_t sum = 0, count = 0;
    for (uint32_t i = 0; i < generation->worker_slots; i++) {
        const struct worker *worker = &generation->workers[i];
        if (!worker->in_use || worker->measured_ns == 0)
            continue;
        sum += worker->private_at_first;
        count++;
    }
    return count > 0 ? sum / count : 0;
}

static uint64_t mold_takes(const struct generation *generation)
{
    struct memory_figures now;
    if (memory_measure(generation->mold.pid, generation->region_start,
                       generation->region_start + generation->region_bytes, &now) == 0)
        return now.rss;
    /* Not ours to look at: about as much as the one before it. */
    return generation->pool->serving->mold.memory.rss;
}

void surging_choose(struct generation *generation)
{
    const struct pool *pool = generation->pool;
    const struct generation *old = pool->serving;
    if (!old)
        return;
    struct surge_memory memory = { .budget = (uint64_t)generation->settings->memory,
                                   .workers = scaler_wanted(generation) };
    if (memory.budget > 0) {
        memory.taken = old->budget_taken;
        memory.loaded = generation->region_bytes + mold_takes(generation);
        memory.worker = worker_share(old);
    }
    generation->one_by_one = surge_is_one_by_one(generation->settings->restart.surge, &memory);
    if (!generation->one_by_one)
        return;
    if (generation->settings->restart.surge == SURGE_AUTO)
        log_info("%s: generation %u comes in one by one: beside the one before it it would take %.1f MiB, more than "
                 "the budget of %.1f MiB",
                 pool->name, generation->number, (double)surge_both(&memory) / (1 << 20),
                 (double)memory.budget / (1 << 20));
    else
        log_info("%s: generation %u comes in one by one", pool->name, generation->number);
}

static struct generation *incoming(const struct pool *pool)
{
    struct generation *generation = pool->upcoming;
    bool surges = generation && generation->one_by_one && generation->state == GENERATION_READY && pool->serving;
    return surges ? generation : NULL;
}

bool surging_replaces(const struct generation *generation)
{
    return generation == generation->pool->serving && incoming(generation->pool) != NULL;
}

unsigned surging_permits(const struct generation *generation, unsigned wanted)
{
    const struct generation *new = incoming(generation->pool);
    if (generation == new)
        return new->permitted < wanted ? new->permitted : wanted;
    if (new &&generation == generation->pool->serving)
        return surge_old_keeps(wanted, scaler_wanted(new), generation_count(new, CHILD_SERVING));
    return wanted;
}

/* Of those that serve: one that is to be replaced anyway, else the one that was forked first. */
static struct worker *choose_leaver(struct generation *generation)
{
    struct worker *chosen = NULL;
    for (uint32_t i = 0; i < generation->worker_slots; i++) {
        struct worker *worker = &generation->workers[i];
        if (!worker->in_use || worker->trace || worker->state != CHILD_SERVING)
            continue;
        bool sooner = chosen && (worker->replaced != RECYCLE_NONE) > (chosen->replaced != RECYCLE_NONE);
        bool older = chosen && (worker->replaced != RECYCLE_NONE) == (chosen->replaced != RECYCLE_NONE) &&
                     worker->started_ns < chosen->started_ns;
        if (!chosen || sooner || older)
            chosen = worker;
    }
    return chosen;
}

static struct surge_facts collect_facts(const struct generation *new, const struct generation *old)
{
    return (struct surge_facts){
        .wanted = scaler_wanted(new),
        .new_serving = generation_count(new, CHILD_SERVING),
        .new_starting = generation_count(new, CHILD_STARTING),
        .old_serving = generation_count(old, CHILD_SERVING),
        .old_leaving = generation_count(old, CHILD_DRAINING) + generation_count(old, CHILD_KILLED),
    };
}

/* Each step has its own time: a generation of many workers takes longer than restart.ready_timeout. */
static void allow(struct generation *new, int64_t time_ns)
{
    loop_timer_set(generation_loop(new), &new->deadline, clock_monotonic_ns() + time_ns);
}

void surging_look(struct pool *pool)
{
    struct generation *new = incoming(pool), *old = pool->serving;
    if (!new)
        return;
    struct surge_facts facts = collect_facts(new, old);
    switch (surge_step(&facts)) {
    case SURGE_ORDER:
        new->permitted = facts.new_serving + 1;
        allow(new, new->settings->restart.ready_timeout_ns);
        if (!workers_fill(new)) {
            strbuf_printf(&new->error, "a worker can't be ordered: %s", shortage_text(errno));
            generation_event(new, GENERATION_FAIL, new->error.data);
        }
        break;
    case SURGE_DRAIN:
        allow(new, old->settings->restart.drain_timeout_ns + new->settings->restart.ready_timeout_ns + GONE_NS);
        workers_drain_one(choose_leaver(old), "a newer one takes its place");
        break;
    default: break;
    }
}
