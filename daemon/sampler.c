#include "sampler.h"

#include <errno.h>

#include "clock.h"
#include "supervisor.h"
#include "workers.h"

#define ROUND_NS (5 * CLOCK_NS_PER_S)
#define PAUSE_MIN_NS (20 * CLOCK_NS_PER_MS)
/* A measurement is followed by a pause of this many times what it cost: at most 1 % of one processor. */
#define COST_FACTOR 99
#define FRESH_NS CLOCK_NS_PER_S
#define REFRESH_BUDGET_NS (50 * CLOCK_NS_PER_MS)

/* One child: a worker, or the mold when `worker` is NULL. */
struct subject {
    struct generation *generation;
    struct worker *worker;
};

/* The child at `position` in the round; returns how many there are. */
static unsigned find_subject(struct supervisor *supervisor, unsigned position, struct subject *subject)
{
    unsigned count = 0;
    for (size_t i = 0; i < supervisor->pool_count; i++) {
        for (struct generation *g = supervisor->pools[i]->generations; g; g = g->next) {
            if (g->mold.pid > 0 && count++ == position)
                *subject = (struct subject){ .generation = g };
            for (uint32_t w = 0; w < g->worker_slots; w++)
                if (g->workers[w].in_use && g->workers[w].pid > 0 && count++ == position)
                    *subject = (struct subject){ .generation = g, .worker = &g->workers[w] };
        }
    }
    return count;
}

static void measure(const struct subject *subject)
{
    struct memory_figures figures;
    pid_t pid = subject->worker ? subject->worker->pid : subject->generation->mold.pid;
    uintptr_t start = (uintptr_t)subject->generation->region_start;
    if (memory_measure(pid, start, start + (uintptr_t)subject->generation->region_bytes, &figures) < 0) {
        if (errno == EACCES || errno == EPERM)
            generation_ask_memory(subject->generation, subject->worker);
        return;
    }
    if (subject->worker) {
        workers_measured(subject->worker, &figures);
    } else {
        subject->generation->mold.memory = figures;
        subject->generation->mold.measured_ns = clock_monotonic_ns();
    }
}

void sampler_measure_worker(struct worker *worker)
{
    if (worker->pid > 0)
        measure(&(struct subject){ .generation = worker->generation, .worker = worker });
}

static void sample(void *data)
{
    struct sampler *sampler = data;
    struct subject subject = { 0 };
    unsigned count = find_subject(sampler->supervisor, sampler->next, &subject);
    int64_t began = clock_monotonic_ns(), cost = 0;
    if (subject.generation) {
        measure(&subject);
        cost = clock_monotonic_ns() - began;
        sampler->next++;
    } else {
        sampler->next = 0;
    }
    int64_t pause = ROUND_NS / (count + 1);
    if (pause < PAUSE_MIN_NS)
        pause = PAUSE_MIN_NS;
    if (pause < cost * COST_FACTOR)
        pause = cost * COST_FACTOR;
    loop_timer_set(sampler->supervisor->loop, &sampler->timer, began + pause);
}

void sampler_start(struct sampler *sampler, struct supervisor *supervisor)
{
    sampler->supervisor = supervisor;
    sampler->next = 0;
    sampler->timer = (struct loop_timer){ .expired = sample, .data = sampler };
    sample(sampler);
}

void sampler_stop(struct sampler *sampler)
{
    if (sampler->supervisor)
        loop_timer_clear(sampler->supervisor->loop, &sampler->timer);
}

void sampler_refresh(struct sampler *sampler)
{
    int64_t began = clock_monotonic_ns();
    struct subject subject;
    for (unsigned position = 0;; position++) {
        if (position >= find_subject(sampler->supervisor, position, &subject))
            return;
        int64_t measured = subject.worker ? subject.worker->measured_ns : subject.generation->mold.measured_ns;
        int64_t now = clock_monotonic_ns();
        if (now - began > REFRESH_BUDGET_NS)
            return;
        if (now - measured > FRESH_NS)
            measure(&subject);
    }
}
