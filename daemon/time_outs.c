#include "time_outs.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "late_answer.h"
#include "log.h"
#include "overdue.h"
#include "pool.h"
#include "rescue.h"
#include "supervisor.h"
#include "workers.h"

/* How long a worker is given to stand still: it may have to wait for a processor. How often it is looked at then. */
#define STOP_PATIENCE_NS (2 * CLOCK_NS_PER_S)
#define STOP_PERIOD_NS (5 * CLOCK_NS_PER_MS)

static struct overdue_limits limits_of(const struct generation *generation)
{
    const struct config_pool *settings = generation->settings;

    return (struct overdue_limits){ .request_ns = settings->timeouts.request_ns,
                                    .hard_ns = settings->timeouts.hard_ns };
}

static void rescue_connections(void *data)
{
    rescue_take(data);
}

/* What is begun here has to be ended, at a later look: the worker may stand still by then. */
static void end_worker(struct worker *worker, uint64_t sequence, int64_t now)
{
    const struct generation *generation = worker->generation;
    char request[SLOT_REQUEST_SIZE];
    const char *why;

    if (worker->stopped_ns == 0)
        worker->stopped_ns = now;
    worker->stopped_in = sequence;

    memcpy(request, worker->slot->request, sizeof request);
    request[sizeof request - 1] = '\0';
    enum late_answer outcome =
        late_answer(worker->pid, worker->slot, sequence, 504, now - worker->stopped_ns > STOP_PATIENCE_NS, &why,
                    rescue_connections, worker);
    if (outcome == LATE_ANSWER_ASK_AGAIN)
        return;
    worker->stopped_ns = 0;
    if (outcome == LATE_ANSWER_OVER)
        return;
    worker->answered_late = outcome == LATE_ANSWER_GIVEN;
    log_warnx("%s: worker %u is killed: %s has run for longer than timeouts.hard (%.1f s); %s%s",
              generation->pool->name, worker->index, request,
              (double)generation->settings->timeouts.hard_ns / (double)CLOCK_NS_PER_S,
              worker->answered_late ? "504 was answered in its stead" : "it is not answered: ",
              worker->answered_late ? "" : why);
    worker_kill(worker, "its request has run for longer than timeouts.hard");
    rescue_deliver(generation->pool);
}

static void look_at(struct worker *worker, const struct overdue_limits *limits, int64_t now)
{
    struct slot *slot = worker->slot;
    uint64_t sequence = atomic_load(&slot->request_sequence);
    int64_t started_ns = atomic_load(&slot->request_started_ns);

    if (worker->stopped_ns > 0) {
        end_worker(worker, worker->stopped_in, now);
        return;
    }
    switch (overdue_look(&worker->overdue, limits, now, started_ns, sequence)) {
    case OVERDUE_SIGNAL:
        atomic_store(&slot->overdue_sequence, sequence);
        kill(worker->pid, SIGALRM);
        break;
    case OVERDUE_KILL: end_worker(worker, sequence, now); break;
    case OVERDUE_NOTHING: break;
    }
}

static void look(void *data)
{
    struct generation *generation = data;
    const struct overdue_limits limits = limits_of(generation);
    int64_t now = clock_monotonic_ns();
    bool stopping = false;

    for (uint32_t i = 0; i < generation->worker_slots; i++) {
        struct worker *worker = &generation->workers[i];
        /* One that starts may have a warm-up request in hand. */
        if (worker->in_use && worker->pid > 0 && worker->state != CHILD_KILLED && worker->state != CHILD_GONE)
            look_at(worker, &limits, now);
        stopping = stopping || (worker->in_use && worker->stopped_ns > 0);
    }
    loop_timer_set(generation_loop(generation), &generation->time_outs,
                   now + (stopping ? STOP_PERIOD_NS : overdue_period(&limits)));
}

void time_outs_start(struct generation *generation)
{
    const struct overdue_limits limits = limits_of(generation);

    generation->time_outs = (struct loop_timer){ .expired = look, .data = generation };
    if (overdue_period(&limits) > 0)
        look(generation);
}

void time_outs_stop(struct generation *generation)
{
    loop_timer_clear(generation_loop(generation), &generation->time_outs);
}
