#include "recycling.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "pool.h"
#include "random_bits.h"
#include "xalloc.h"

/* Workers that have to be this old before they may go for the budget grow back too fast for it. */
#define PATIENCE_TOLD_NS (8 * RECYCLE_PATIENCE_NS)

struct recycle_limits recycling_draw(const struct config_pool *settings)
{
    const struct recycle_limits rules = { .requests = (uint64_t)settings->recycle.requests,
                                          .age_ns = settings->recycle.age_ns,
                                          .private_memory = (uint64_t)settings->recycle.private_memory,
                                          .symbols = (uint64_t)settings->recycle.symbols };
    return recycle_draw(&rules, (unsigned)settings->recycle.jitter, random_bits());
}

bool recycling_looks_at_memory(const struct worker *worker)
{
    return worker->limits.private_memory > 0 || worker->generation->settings->memory > 0;
}

static uint64_t grown(const struct worker *worker)
{
    uint64_t now = worker->memory.private_bytes;
    return now > worker->private_at_first ? now - worker->private_at_first : 0;
}

static uint64_t symbols(const struct worker *worker)
{
    return atomic_load_explicit(&worker->slot->symbols, memory_order_relaxed);
}

static struct recycle_worker *collect_facts(const struct generation *generation)
{
    struct recycle_worker *facts = xcalloc(generation->worker_slots, sizeof *facts);
    int64_t now = clock_monotonic_ns();
    for (uint32_t i = 0; i < generation->worker_slots; i++) {
        const struct worker *worker = &generation->workers[i];
        facts[i] = (struct recycle_worker){
            .present = worker->in_use && !worker->trace,
            .serving = worker->state == CHILD_SERVING,
            .almost_done = worker->almost_done,
            .replaced = worker->replaced,
            .age_ns = now - worker->started_ns,
            .grown = grown(worker),
            .private_bytes = worker->memory.private_bytes,
            .symbols = symbols(worker),
            .out_of_memory = atomic_load_explicit(&worker->slot->out_of_memory, memory_order_relaxed) > 0,
            .limits = worker->limits,
        };
    }
    return facts;
}

static double mib(uint64_t bytes)
{
    return (double)bytes / (1 << 20);
}

static void tell_futile(struct generation *generation, const struct recycle_scale *scale)
{
    const struct recycle_budget *budget = &generation->budget;
    log_warnx(
        "%s: memory: the pool takes %.1f MiB of its budget of %.1f MiB, and replacing workers can't change that: "
        "what is loaded takes %.1f MiB, and with %u workers as they are right after the fork it is %.1f MiB. Raise "
        "memory to more than that, lower workers, or load less",
        generation->pool->name, mib(scale->total), mib(budget->bytes), mib(budget->loaded), scaler_wanted(generation),
        mib(scale->minimum));
}

static void tell_growing_back(struct generation *generation, const struct recycle_scale *scale)
{
    const struct recycle_budget *budget = &generation->budget;
    log_warnx("%s: memory: the pool takes %.1f MiB of its budget of %.1f MiB, although its workers are replaced: right "
              "after the fork it is %.1f MiB, and they soon grow back. None of them is replaced for this before it is "
              "%lld s old. Raise memory, lower workers, or look at what the apps keep",
              generation->pool->name, mib(scale->total), mib(budget->bytes), mib(scale->minimum),
              (long long)(budget->patience_ns / CLOCK_NS_PER_S));
}

static void weigh(struct generation *generation, struct recycle_worker *facts)
{
    struct recycle_budget *budget = &generation->budget;
    struct recycle_scale scale;

    if (budget->patience_ns == 0)
        budget->patience_ns = RECYCLE_PATIENCE_NS;
    budget->bytes = (uint64_t)generation->settings->memory;
    budget->loaded = generation->region_bytes + generation->mold.memory.rss;
    enum recycle_verdict verdict = recycle_weigh(facts, generation->worker_slots, budget, &scale);
    generation->budget_taken = scale.total;
    if (generation->budget_told)
        return;
    generation->budget_told = true;
    if (verdict == RECYCLE_FUTILE)
        tell_futile(generation, &scale);
    else if (verdict == RECYCLE_WAITS && budget->patience_ns >= PATIENCE_TOLD_NS)
        tell_growing_back(generation, &scale);
    else
        generation->budget_told = false;
}

void recycling_choose(struct generation *generation)
{
    struct recycle_worker *facts = collect_facts(generation);
    struct recycle_choice choice;
    weigh(generation, facts);
    while (recycle_decide(facts, generation->worker_slots, generation->settings->recycle.max_unavailable, &choice)) {
        if (choice.gives_way != RECYCLE_NOBODY)
            facts[choice.gives_way].replaced = generation->workers[choice.gives_way].replaced = RECYCLE_NONE;
        facts[choice.worker].replaced = generation->workers[choice.worker].replaced = choice.reason;
        log_debug("%s: worker %zu is to be replaced (%s)", generation->pool->name, choice.worker,
                  recycle_reason_name(choice.reason));
        if (choice.reason == RECYCLE_MEMORY_BUDGET)
            recycle_charge(&generation->budget, facts[choice.worker].age_ns);
        weigh(generation, facts);
    }
    free(facts);
}

static void explain(struct worker *worker)
{
    const struct generation *generation = worker->generation;
    char *text = worker->replaced_because;
    size_t size = sizeof worker->replaced_because;
    switch (worker->replaced) {
    case RECYCLE_AGE:
        snprintf(text, size, "it is %.1f s old",
                 (double)(clock_monotonic_ns() - worker->started_ns) / (double)CLOCK_NS_PER_S);
        break;
    case RECYCLE_PRIVATE_MEMORY:
        snprintf(text, size, "its private memory has grown by %.1f MiB", mib(grown(worker)));
        break;
    case RECYCLE_SYMBOLS:
        snprintf(text, size, "it has interned %llu symbols, which are never freed",
                 (unsigned long long)symbols(worker));
        break;
    case RECYCLE_MEMORY_BUDGET:
        snprintf(text, size, "the pool takes more than its memory budget of %.1f MiB, and it has grown by %.1f MiB",
                 mib(generation->budget.bytes), mib(grown(worker)));
        break;
    case RECYCLE_MEMORY_LIMIT: snprintf(text, size, "it has run out of memory (rlimits)"); break;
    default:
        snprintf(text, size, "it has served %llu requests",
                 (unsigned long long)atomic_load_explicit(&worker->slot->accepted, memory_order_relaxed));
        break;
    }
}

void recycling_record(struct worker *worker)
{
    struct pool *pool = worker->generation->pool;
    explain(worker);
    pool->recycled[worker->replaced]++;
    pool->last_recycled.reason = worker->replaced;
    pool->last_recycled.pid = worker->pid;
    pool->last_recycled.at_ns = clock_monotonic_ns();
    snprintf(pool->last_recycled.because, sizeof pool->last_recycled.because, "%s", worker->replaced_because);
}
