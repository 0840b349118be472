#include "scaler.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "clock.h"
#include "generation.h"
#include "listener.h"
#include "log.h"
#include "pool.h"
#include "supervisor.h"
#include "workers.h"
#include "xalloc.h"

static bool is_fixed(const struct config_pool *settings)
{
    return settings->workers.min == settings->workers.max;
}

static struct scaling_bounds bounds_of(const struct config_pool *settings)
{
    return (struct scaling_bounds){ .min = settings->workers.min,
                                    .max = settings->workers.max,
                                    .spare = settings->workers.spare,
                                    .idle_ns = settings->workers.idle_ns };
}

uint32_t scaler_slots(const struct config_pool *settings)
{
    unsigned max = settings->workers.max;
    return (is_fixed(settings) ? scaling_ceiling(max) : max) + max + 2;
}

unsigned scaler_wanted(const struct generation *generation)
{
    const struct pool *pool = generation->pool;
    if (!is_fixed(generation->settings))
        return generation->scaler.scaling.wanted;
    /* A generation of the same configuration, started because a mold died, say, goes on with the number. */
    return pool->scaled_config == generation->config ? pool->scaled : generation->settings->workers.max;
}

void scaler_begin(struct generation *generation)
{
    const struct config_pool *settings = generation->settings;
    const struct generation *before = generation->pool->serving;
    const struct scaling_bounds bounds = bounds_of(settings);
    unsigned wanted = before ? scaler_wanted(before) : 0;
    if (!is_fixed(settings))
        scaling_set(&generation->scaler.scaling, scaling_first(&bounds, wanted, settings->warmup.count > 0));
}

static bool is_present(const struct worker *worker)
{
    return worker->in_use && !worker->trace && (worker->state == CHILD_SERVING || worker->state == CHILD_STARTING);
}

static struct scaling_facts count_workers(const struct generation *generation)
{
    struct scaling_facts facts = { 0 };
    unsigned replaced = 0;
    for (uint32_t i = 0; i < generation->worker_slots; i++) {
        const struct worker *worker = &generation->workers[i];
        if (!is_present(worker))
            continue;
        if (worker->state == CHILD_STARTING) {
            facts.starting++;
        } else {
            facts.serving++;
            facts.busy += atomic_load_explicit(&worker->slot->state, memory_order_relaxed) == SLOT_BUSY;
            replaced += worker->replaced != RECYCLE_NONE;
        }
    }
    facts.present = facts.serving + facts.starting - replaced;
    facts.starting = facts.starting > replaced ? facts.starting - replaced : 0;
    return facts;
}

/* Every worker may come to what the largest one has; the present ones have not all come to it yet. */
static uint64_t find_room(struct generation *generation)
{
    struct scaler *scaler = &generation->scaler;
    uint64_t largest = 0, reserved = 0;
    for (uint32_t i = 0; i < generation->worker_slots; i++)
        if (is_present(&generation->workers[i]) && generation->workers[i].memory.private_bytes > largest)
            largest = generation->workers[i].memory.private_bytes;
    if (largest > 0)
        scaler->estimate = largest;
    for (uint32_t i = 0; i < generation->worker_slots; i++)
        if (is_present(&generation->workers[i]) && generation->workers[i].replaced == RECYCLE_NONE)
            reserved += scaler->estimate - generation->workers[i].memory.private_bytes;
    return scaling_room((uint64_t)generation->settings->memory, generation->budget_taken, reserved, scaler->estimate);
}

/* Workers have given connections away that none of them has taken. (How many is not told.) */
static bool has_given(const struct pool *pool)
{
    struct pollfd queue = { .fd = pool->handback, .events = POLLIN };
    return poll(&queue, 1, 0) == 1 && (queue.revents & POLLIN) != 0;
}

/* In the listen queues, and of those that were accepted before: given away, or by a worker that has ended. */
static int64_t count_waiting(const struct generation *generation)
{
    const int64_t accepted = (int64_t)generation->pool->rescued.count + has_given(generation->pool);
    int64_t sum = accepted;
    for (size_t i = 0; i < generation->listener_count; i++) {
        struct listen_queue queue = listener_queue(generation->listeners[i]);
        if (queue.waiting < 0)
            return accepted > 0 ? accepted : -1;
        sum += queue.waiting;
    }
    return sum;
}

/* For how long it has been so; `since_ns` is kept from look to look. */
static int64_t lasting(int64_t *since_ns, bool is_so, int64_t now_ns)
{
    if (!is_so)
        *since_ns = 0;
    else if (*since_ns == 0)
        *since_ns = now_ns;
    return is_so ? now_ns - *since_ns : 0;
}

static struct scaling_facts collect_facts(struct generation *generation)
{
    struct scaler *scaler = &generation->scaler;
    struct scaling_facts facts = count_workers(generation);
    uint64_t accepted = pool_ledger(generation->pool).accepted;

    facts.now_ns = clock_monotonic_ns();
    bool all_busy = facts.serving > 0 && facts.busy == facts.serving;
    facts.all_busy_ns = lasting(&scaler->all_busy_since_ns, all_busy, facts.now_ns);
    facts.waiting = count_waiting(generation);
    facts.called = scaler->called && facts.serving + facts.starting == 0;
    facts.served = accepted != scaler->accepted;
    bool left_alone = facts.waiting > 0 && facts.starting == 0 && !facts.served;
    facts.waiting_ns = lasting(&scaler->waiting_since_ns, left_alone, facts.now_ns);
    facts.room = find_room(generation);
    scaler->called = false;
    scaler->accepted = accepted;
    return facts;
}

static void unwatch(struct generation *generation)
{
    struct scaler *scaler = &generation->scaler;
    while (scaler->watching > 0)
        loop_remove(generation_loop(generation), &scaler->watches[--scaler->watching]);
}

static void look(void *data);

/* The connection stays in the queue; that the listener isn't watched any more keeps it from being told again. */
static void somebody_waits(void *data, uint32_t events)
{
    struct generation *generation = data;
    (void)events;
    unwatch(generation);
    generation->scaler.called = true;
    look(generation);
}

static bool watch_one(struct generation *generation, int fd)
{
    struct loop_source *source = &generation->scaler.watches[generation->scaler.watching];
    *source = (struct loop_source){ .fd = fd, .ready = somebody_waits, .data = generation };
    if (loop_add(generation_loop(generation), source, EPOLLIN) < 0)
        return false;
    generation->scaler.watching++;
    return true;
}

/* false: somebody else watches one of them still. */
static bool watch(struct generation *generation)
{
    struct scaler *scaler = &generation->scaler;
    int handback = generation->pool->handback;
    if (!scaler->watches)
        scaler->watches = xcalloc(generation->listener_count + 1, sizeof *scaler->watches);
    bool all = true;
    for (size_t i = 0; all && i < generation->listener_count; i++)
        all = watch_one(generation, generation->listeners[i]->fd);
    /* A worker that is gone may have left something there. */
    if (all && scaler->scaling.wanted == 0 && handback >= 0)
        all = watch_one(generation, handback);
    if (!all)
        unwatch(generation);
    return all;
}

/* All is as it is to stay while no connection comes. `facts` are those of the last look. */
static bool is_quiet(const struct generation *generation, const struct scaling_facts *facts)
{
    const struct scaling *scaling = &generation->scaler.scaling;
    const struct scaling_facts now = count_workers(generation);
    if (facts->called || facts->waiting > 0 || loop_timer_is_set(&generation->refill))
        return false;
    /* Nobody is there to accept: the sooner it is known that somebody waits, the better. */
    if (scaling->wanted == 0)
        return now.serving + now.starting == 0;
    return now.busy == 0 && now.starting == 0 && now.present == scaling->wanted && scaling->below_since_ns == 0 &&
           !facts->served;
}

static void tell_held_back(struct generation *generation)
{
    struct scaler *scaler = &generation->scaler;
    if (!scaler->scaling.held_back || scaler->told)
        return;
    scaler->told = true;
    log_warnx("%s: memory: the budget of %.1f MiB holds the pool back at %u workers, although the load asks for more: "
              "%.1f MiB are taken, and a worker may come to %.1f MiB for itself",
              generation->pool->name, (double)generation->settings->memory / (1 << 20), scaler->scaling.wanted,
              (double)generation->budget_taken / (1 << 20), (double)scaler->estimate / (1 << 20));
}

static void look(void *data)
{
    struct generation *generation = data;
    struct scaler *scaler = &generation->scaler;
    const struct scaling_bounds bounds = bounds_of(generation->settings);
    unsigned before = scaler->scaling.wanted;

    /* Nobody can be forked: the next generation will look. */
    if (generation->mold.channel.fd < 0) {
        scaler_stop(generation);
        return;
    }
    struct scaling_facts facts = collect_facts(generation);
    scaling_step(&scaler->scaling, &bounds, &facts);
    tell_held_back(generation);
    if (scaler->scaling.wanted != before) {
        log_debug("%s: %u workers are wanted, %u before (%u serve, %u of them busy; %lld connections wait)",
                  generation->pool->name, scaler->scaling.wanted, before, facts.serving, facts.busy,
                  (long long)facts.waiting);
        workers_recycle(generation);
    }
    if (!is_quiet(generation, &facts) || !watch(generation))
        loop_timer_set(generation_loop(generation), &scaler->timer, facts.now_ns + SCALING_PERIOD_NS);
}

void scaler_serve(struct generation *generation)
{
    generation->scaler.timer = (struct loop_timer){ .expired = look, .data = generation };
    if (!is_fixed(generation->settings))
        look(generation);
}

void scaler_call(struct generation *generation)
{
    if (is_fixed(generation->settings) || generation->scaler.watching == 0)
        return;
    unwatch(generation);
    loop_timer_set(generation_loop(generation), &generation->scaler.timer, clock_monotonic_ns());
}

void scaler_stop(struct generation *generation)
{
    unwatch(generation);
    loop_timer_clear(generation_loop(generation), &generation->scaler.timer);
}

void scaler_free(struct generation *generation)
{
    scaler_stop(generation);
    free(generation->scaler.watches);
}

struct worker *scaler_excess(struct generation *generation)
{
    unsigned wanted = scaler_wanted(generation), staying = 0;
    struct scaling_worker *facts = xcalloc(generation->worker_slots, sizeof *facts);
    for (uint32_t i = 0; i < generation->worker_slots; i++) {
        const struct worker *worker = &generation->workers[i];
        bool serves = worker->in_use && !worker->trace && worker->state == CHILD_SERVING;
        facts[i] = (struct scaling_worker){
            /* Where nobody is to stay, one that waits for its last request goes without it. */
            .candidate = serves && (worker->replaced == RECYCLE_NONE || wanted == 0),
            .idle = atomic_load_explicit(&worker->slot->state, memory_order_relaxed) == SLOT_IDLE,
            .started_ns = worker->started_ns,
        };
        staying += facts[i].candidate;
    }
    size_t victim = staying > wanted ? scaling_victim(facts, generation->worker_slots) : SCALING_NOBODY;
    free(facts);
    return victim == SCALING_NOBODY ? NULL : &generation->workers[victim];
}

static void scale_fixed(struct pool *pool, unsigned number)
{
    config_release(pool->scaled_config);
    pool->scaled_config = config_retain(pool->serving->config);
    pool->scaled = number;
}

void scaler_forget(struct pool *pool)
{
    for (const struct generation *generation = pool->generations; generation; generation = generation->next)
        if (generation->config == pool->scaled_config)
            return;
    config_release(pool->scaled_config);
    pool->scaled_config = NULL;
}

/* The load is looked at again, however quiet it was. */
static void scale_between_bounds(struct generation *generation, unsigned number)
{
    scaling_set(&generation->scaler.scaling, number);
    unwatch(generation);
    loop_timer_set(generation_loop(generation), &generation->scaler.timer, clock_monotonic_ns() + SCALING_PERIOD_NS);
}

bool scaler_set(struct pool *pool, uint64_t number, struct strbuf *outcome)
{
    struct generation *generation = pool->serving;
    if (!generation || generation->state != GENERATION_SERVING || pool->stopping) {
        strbuf_printf(outcome, "%s: no generation of it serves", pool->name);
        return false;
    }
    const struct config_workers *workers = &generation->settings->workers;
    bool fixed = is_fixed(generation->settings);
    unsigned least = fixed ? 1 : workers->min, most = fixed ? scaling_ceiling(workers->max) : workers->max;
    unsigned before = scaler_wanted(generation);
    if (number < least || number > most) {
        strbuf_printf(outcome, "%s: it can have %u to %u workers (workers in the configuration: ", pool->name, least,
                      most);
        if (fixed)
            strbuf_printf(outcome, "%u)", workers->max);
        else
            strbuf_printf(outcome, "min %u, max %u)", workers->min, workers->max);
        return false;
    }
    if (fixed)
        scale_fixed(pool, (unsigned)number);
    else
        scale_between_bounds(generation, (unsigned)number);
    workers_recycle(generation);
    strbuf_printf(outcome, "%s: %u workers are wanted, %u before", pool->name, (unsigned)number, before);
    if (generation->mold.channel.fd < 0)
        strbuf_puts(outcome, "; the mold is gone, so the next generation will have them");
    return true;
}

void scaler_nudge(struct pool *pool, bool up)
{
    struct strbuf outcome = { 0 };
    uint64_t before = pool->serving ? scaler_wanted(pool->serving) : 0;
    /* Below 0 is beyond any bound, too. */
    if (scaler_set(pool, up ? before + 1 : before - 1, &outcome))
        log_info("%s", outcome.data);
    else
        log_warnx("%s", outcome.data);
    strbuf_free(&outcome);
}
