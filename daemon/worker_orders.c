#include "workers.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "clock.h"
#include "escrow.h"
#include "log.h"
#include "pool.h"
#include "recycling.h"
#include "scaler.h"
#include "surging.h"

/* Orders that the mold has not answered: more would fill its channel, and each holds descriptors in flight. */
#define ORDERS_MAX 32

static struct worker *free_worker(struct generation *generation)
{
    for (uint32_t i = 0; i < generation->worker_slots; i++)
        if (!generation->workers[i].in_use)
            return &generation->workers[i];
    errno = EUSERS;
    return NULL;
}

/* What a worker is ordered for; `report` is -1 for one that does not trace. */
struct purpose {
    int report;
    bool warming;
};

/* What a worker is born with; the first of a pair is the supervisor's. */
struct ends {
    int channel[2], output[2], escrow;
};

static bool open_ends(struct ends *ends)
{
    if (channel_pair(ends->channel) < 0)
        return false;
    ends->escrow = escrow_new();
    if (ends->escrow >= 0 && pipe2(ends->output, O_CLOEXEC) == 0)
        return true;
    int error = errno;
    if (ends->escrow >= 0)
        close(ends->escrow);
    close(ends->channel[0]);
    close(ends->channel[1]);
    errno = error;
    return false;
}

/* The two orders that a worker comes from. */
static int send_order(const struct worker *worker, const struct ends *ends, const struct purpose *purpose)
{
    int report = purpose->report;
    struct message trace = { .type = MESSAGE_TRACE_WRITES };
    struct message order = {
        .type = MESSAGE_FORK,
        .fork = { .slot = worker->index, .traced = report >= 0, .warming = purpose->warming },
    };
    if (report >= 0 && channel_send(ends->channel[0], &trace, &report, 1) < 0)
        return -1;
    return channel_send(worker->generation->mold.channel.fd, &order,
                        (int[]){ ends->channel[1], ends->output[1], ends->escrow }, 3);
}

static struct worker *order(struct generation *generation, struct recycle_limits limits, struct purpose purpose)
{
    struct worker *worker = free_worker(generation);
    struct ends ends;
    if (!worker || !open_ends(&ends))
        return NULL;
    worker->limits = limits;
    /* Before the order: from then on the slot is the worker's to write. */
    atomic_store(&worker->slot->state, SLOT_STARTING);
    atomic_store(&worker->slot->app, SCOREBOARD_NO_APP);
    atomic_store(&worker->slot->generation, generation->number);
    atomic_store(&worker->slot->number, worker->index);
    atomic_store(&worker->slot->request_limit, purpose.warming ? 0 : worker->limits.requests);
    worker->started_ns = clock_monotonic_ns();
    int sent = send_order(worker, &ends, &purpose);
    int error = errno;
    close(ends.channel[1]);
    close(ends.output[1]);
    if (sent < 0 || !workers_watch_channel(worker, ends.channel[0])) {
        error = sent == 0 ? errno : error == EAGAIN ? EBUSY : error; /* a mold that does not read is no shortage */
        close(ends.channel[0]);
        close(ends.output[0]);
        close(ends.escrow);
        worker->channel.fd = -1;
        scoreboard_clear(worker->slot);
        errno = error;
        return NULL;
    }
    worker->in_use = true;
    worker->escrow = ends.escrow;
    worker->rescued = false;
    worker->given = 0;
    worker->state = CHILD_STARTING;
    worker->pid = 0;
    worker->told_to_go = NULL;
    worker->memory = (struct memory_figures){ 0 };
    worker->measured_ns = 0;
    worker->private_at_first = 0;
    worker->almost_done = false;
    worker->lacks_access_log = false;
    worker->replaced = RECYCLE_NONE;
    worker->ready_after_ns = 0;
    worker->overdue = (struct overdue_watch){ 0 };
    worker->stopped_ns = 0;
    worker->answered_late = false;
    worker->killed_for_memory = false;
    worker->start_failed = false;
    if (!workers_watch(worker, ends.output[0]))
        log_warn("%s: the output of worker %u can't be read", generation->pool->name, worker->index);
    loop_timer_set(generation_loop(generation), &worker->deadline,
                   worker->started_ns + generation->settings->restart.ready_timeout_ns);
    return worker;
}

static bool order_worker(struct generation *generation)
{
    return order(generation, recycling_draw(generation->settings), (struct purpose){ .report = -1 }) != NULL;
}

struct worker *workers_order_warming(struct generation *generation)
{
    return order(generation, recycling_draw(generation->settings), (struct purpose){ .report = -1, .warming = true });
}

void workers_let_serve(struct worker *worker)
{
    struct message serve = { .type = MESSAGE_SERVE };
    uint64_t warm_up = atomic_load(&worker->slot->accepted);
    if (worker->limits.requests > 0)
        atomic_store(&worker->slot->request_limit, worker->limits.requests + warm_up);
    /* One that is gone is reaped soon. */
    if (worker->channel.fd < 0 || channel_send(worker->channel.fd, &serve, NULL, 0) < 0)
        log_warn("%s: worker %u can't be told to serve", worker->generation->pool->name, worker->index);
}

struct worker *workers_order_traced(struct generation *generation, uint64_t requests, int report)
{
    return order(generation, (struct recycle_limits){ .requests = requests }, (struct purpose){ .report = report });
}

/* Those that serve until their replacement is ready. */
static unsigned count_replaced(const struct generation *generation)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < generation->worker_slots; i++) {
        const struct worker *worker = &generation->workers[i];
        count += worker->in_use && worker->state == CHILD_SERVING && worker->replaced != RECYCLE_NONE;
    }
    return count;
}

static unsigned count_unanswered(const struct generation *generation)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < generation->worker_slots; i++)
        count += generation->workers[i].in_use && generation->workers[i].pid == 0;
    return count;
}

bool workers_fill(struct generation *generation)
{
    unsigned unanswered = count_unanswered(generation);
    unsigned present = generation_count(generation, CHILD_STARTING) + generation_count(generation, CHILD_SERVING) -
                       count_replaced(generation);
    unsigned wanted = surging_permits(generation, scaler_wanted(generation));
    for (; present < wanted && unanswered < ORDERS_MAX; present++, unanswered++)
        if (!order_worker(generation))
            return false;
    return true;
}
