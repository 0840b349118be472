#include "scaling.h"

#define CEILING 1024
#define CEILING_MORE 8

static unsigned clamp(uint64_t number, unsigned min, unsigned max)
{
    if (number < min)
        return min;
    return number > max ? max : (unsigned)number;
}

static unsigned engaged(const struct scaling_facts *facts)
{
    return facts->waiting_ns >= SCALING_PATIENCE_NS ? facts->serving : facts->busy;
}

/* Those in the queue that nobody is there for; no more at a time than would double the pool. */
static unsigned unattended(const struct scaling_facts *facts)
{
    unsigned step = facts->serving > 0 ? facts->serving : 1;
    int64_t waiting = facts->waiting;
    if (engaged(facts) < facts->serving)
        return 0;
    if (waiting < 0)
        waiting = facts->serving > 0 && facts->all_busy_ns >= SCALING_PERIOD_NS;
    return waiting < step ? (unsigned)waiting : step;
}

unsigned scaling_demand(const struct scaling_bounds *bounds, const struct scaling_facts *facts)
{
    uint64_t demand = (uint64_t)engaged(facts) + unattended(facts);
    bool on_demand = bounds->min == 0;
    if (engaged(facts) > 0 || !on_demand)
        demand += bounds->spare;
    /* Requests that are over before anybody looks are load, too. */
    if (demand == 0 && (facts->served || facts->called || facts->waiting > 0))
        demand = 1;
    return clamp(demand, bounds->min, bounds->max);
}

static unsigned affordable(const struct scaling *scaling, const struct scaling_bounds *bounds,
                           const struct scaling_facts *facts, unsigned demand)
{
    uint64_t most = facts->room == SCALING_NO_BUDGET ? SCALING_NO_BUDGET : facts->present + facts->room;
    uint64_t least = bounds->min > 0 ? bounds->min : 1;
    if (most < least)
        most = least;
    if (most < scaling->wanted)
        most = scaling->wanted;
    return demand < most ? demand : (unsigned)most;
}

void scaling_step(struct scaling *scaling, const struct scaling_bounds *bounds, const struct scaling_facts *facts)
{
    unsigned demand = scaling_demand(bounds, facts);

    scaling->held_back = false;
    if (demand >= scaling->wanted) {
        scaling->wanted = affordable(scaling, bounds, facts, demand);
        scaling->held_back = scaling->wanted < demand;
        scaling->below_since_ns = 0;
    } else if (facts->starting > 0) {
        /* What was asked for is yet to come: it gets its chance. */
        scaling->below_since_ns = 0;
    } else if (scaling->below_since_ns == 0) {
        scaling->below_since_ns = facts->now_ns;
        scaling->peak = demand;
    } else {
        if (demand > scaling->peak)
            scaling->peak = demand;
        if (facts->now_ns - scaling->below_since_ns < bounds->idle_ns)
            return;
        scaling->wanted = scaling->peak;
        scaling->below_since_ns = demand < scaling->wanted ? facts->now_ns : 0;
        scaling->peak = demand;
    }
}

void scaling_set(struct scaling *scaling, unsigned wanted)
{
    *scaling = (struct scaling){ .wanted = wanted };
}

unsigned scaling_first(const struct scaling_bounds *bounds, unsigned before, bool prove)
{
    unsigned first = bounds->min > 0 && bounds->spare > bounds->min ? bounds->spare : bounds->min;
    if (first < before)
        first = before;
    if (first == 0 && prove)
        first = 1;
    return clamp(first, bounds->min, bounds->max);
}

unsigned scaling_ceiling(unsigned fixed)
{
    unsigned ceiling = fixed + (fixed > CEILING_MORE ? fixed : CEILING_MORE);
    if (ceiling > CEILING)
        ceiling = CEILING;
    return ceiling > fixed ? ceiling : fixed;
}

uint64_t scaling_room(uint64_t budget, uint64_t taken, uint64_t reserved, uint64_t estimate)
{
    if (budget == 0)
        return SCALING_NO_BUDGET;
    if (taken >= budget || reserved >= budget - taken || estimate == 0)
        return 0;
    return (budget - taken - reserved) / estimate;
}

size_t scaling_victim(const struct scaling_worker *workers, size_t count)
{
    size_t victim = SCALING_NOBODY;
    for (size_t i = 0; i < count; i++) {
        if (!workers[i].candidate)
            continue;
        if (victim == SCALING_NOBODY || (workers[i].idle && !workers[victim].idle) ||
            (workers[i].idle == workers[victim].idle && workers[i].started_ns > workers[victim].started_ns))
            victim = i;
    }
    return victim;
}
