#include "workers.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "crash_loop.h"
#include "inquiry.h"
#include "log.h"
#include "logs.h"
#include "obituary.h"
#include "orphans.h"
#include "pool.h"
#include "recycling.h"
#include "rescue.h"
#include "scaler.h"
#include "shortage.h"
#include "supervisor.h"
#include "surging.h"
#include "trace.h"

/* A worker that dies sooner than this after it was forked has died young. */
#define YOUNG_NS CLOCK_NS_PER_S

static void describe_worker(void *data, const char *app, char *source, size_t size)
{
    struct worker *worker = data;
    if (!app)
        app = generation_app_name(worker->generation, atomic_load_explicit(&worker->slot->app, memory_order_relaxed));
    snprintf(source, size, "%s/%u %ld%s%s", worker->generation->pool->name, worker->index, (long)worker->pid,
             *app ? " " : "", app);
}

static void close_channel(struct worker *worker)
{
    if (worker->channel.fd < 0)
        return;
    loop_remove(generation_loop(worker->generation), &worker->channel);
    close(worker->channel.fd);
    worker->channel.fd = -1;
}

unsigned workers_alive(const struct generation *generation)
{
    unsigned alive = 0;
    for (uint32_t i = 0; i < generation->worker_slots; i++)
        alive += generation->workers[i].in_use;
    return alive;
}

static void refill_expired(void *data);

static void refill_in(struct generation *generation, int64_t pause)
{
    generation->refill.expired = refill_expired;
    generation->refill.data = generation;
    loop_timer_set(generation_loop(generation), &generation->refill, clock_monotonic_ns() + pause);
}

/* Another try soon, unless one waits for its time already. */
static void refill_after_shortage(struct generation *generation, const char *what, int error)
{
    if (generation->state != GENERATION_SERVING || loop_timer_is_set(&generation->refill))
        return;
    refill_in(generation, crash_loop_short(generation, what, error));
    workers_lift_request_limits(generation);
}

static void refill(struct generation *generation)
{
    if (workers_fill(generation))
        return;
    if (errno == EUSERS)
        log_warnx("%s: generation %u: workers that leave take every place", generation->pool->name, generation->number);
    else
        refill_after_shortage(generation, "a worker can't be ordered", errno);
}

static void refill_expired(void *data)
{
    struct generation *generation = data;
    if (generation->state == GENERATION_SERVING)
        refill(generation);
}

/* At once for a worker that had lived; after a pause that grows when one after the other dies young. */
static void replace_worker(struct generation *generation, bool young)
{
    /* Those that die together are one failure, and what waits for its time goes on waiting. */
    if (loop_timer_is_set(&generation->refill))
        return;
    refill_in(generation, crash_loop_pause(generation, young));
}

static void read_channel(struct worker *worker);

/* The worker is no more; `status` is wait(2)'s, -1 when there never was a process. */
static void bury(struct worker *worker, int status)
{
    struct generation *generation = worker->generation;
    int64_t now = clock_monotonic_ns();
    bool young = now - worker->started_ns < YOUNG_NS;
    /* What it said last tells how it went. */
    read_channel(worker);
    young = young || worker->start_failed;
    bool killed = worker->state == CHILD_KILLED;
    enum child_action action = child_step(&worker->state, CHILD_EXIT);
    if (warm_up_worker_gone(generation, worker))
        action = CHILD_DO_REPLACE;

    rescue_withdraw(worker);
    inquiry_worker_gone(worker);
    output_close(&worker->output);
    close_channel(worker);
    loop_timer_clear(generation_loop(generation), &worker->deadline);
    if (status >= 0) {
        crash_loop_examine(worker, status, killed);
        obituary_worker(worker, status, now);
    }
    bool traced = worker->trace != NULL;
    if (traced)
        trace_over(worker, status);
    pool_account(generation->pool, worker->slot, worker->answered_late);
    scoreboard_clear(worker->slot);
    worker->in_use = false;
    worker->pid = 0;

    if (traced)
        action = CHILD_DO_BURY; /* none is missing */
    if (action == CHILD_DO_REPLACE && generation_is_coming(generation->state)) {
        if (generation->error.length == 0)
            strbuf_printf(&generation->error, "worker %u died before it was ready; the error log says more",
                          worker->index);
        generation_event(generation, GENERATION_FAIL, "a worker died while the generation came up");
    } else if (action == CHILD_DO_REPLACE && generation->state == GENERATION_SERVING && generation->mold.pid) {
        replace_worker(generation, young);
    }
    workers_recycle(generation);
    surging_look(generation->pool);
    fallback_look(&generation->pool->fallback);
    rescue_deliver(generation->pool);
    generation_check_empty(generation);
}

/* What it grows by counts from here. (It may report in before the mold has told its pid, or after.) */
static void measure_at_birth(struct worker *worker)
{
    if (recycling_looks_at_memory(worker) && worker->measured_ns == 0)
        sampler_measure_worker(worker);
}

void workers_await_room(struct worker *worker)
{
    loop_modify(generation_loop(worker->generation), &worker->channel, EPOLLIN | EPOLLOUT);
}

void workers_send_access_log(struct worker *worker)
{
    const struct message message = { .type = MESSAGE_ACCESS_LOG };
    int log = logs_access_descriptor();

    worker->lacks_access_log = false;
    if (log < 0 || worker->channel.fd < 0 || channel_send(worker->channel.fd, &message, &log, 1) == 0)
        return;
    worker->lacks_access_log = errno == EAGAIN;
    if (worker->lacks_access_log)
        workers_await_room(worker);
    else if (errno != EPIPE)
        log_warn("%s: worker %u can't be given the access log", worker->generation->pool->name, worker->index);
}

/* A worker closes what is unfinished at its deadline; one that doesn't is killed a moment later. */
static void send_drain(struct worker *worker)
{
    const struct generation *generation = worker->generation;
    const struct message order = { .type = MESSAGE_DRAIN,
                                   .drain = { .deadline_ns = worker->deadline.deadline_ns - CLOCK_NS_PER_S,
                                              .take_backlog = generation->take_backlog } };
    if (worker->channel.fd >= 0 && channel_send(worker->channel.fd, &order, NULL, 0) == 0)
        return;
    /* One that leaves by itself may be gone; where one in a long request has much to read, there will be room. */
    if (worker->channel.fd >= 0 && errno == EAGAIN)
        workers_await_room(worker);
    else if (worker->channel.fd < 0 || errno != EPIPE)
        log_warn("%s: worker %u can't be told to drain", generation->pool->name, worker->index);
}

static void worker_step(struct worker *worker, enum child_event event, const char *reason)
{
    struct generation *generation = worker->generation;
    int64_t now = clock_monotonic_ns();
    switch (child_step(&worker->state, event)) {
    case CHILD_DO_ANNOUNCE:
        loop_timer_clear(generation_loop(generation), &worker->deadline);
        if (crash_loop_had_worker(generation) && generation->mold.pid != 0)
            workers_set_request_limits(generation);
        worker->ready_after_ns = now - worker->started_ns;
        measure_at_birth(worker);
        if (worker->trace)
            break;
        /* Some may have served all their requests and be gone by now. */
        if (++generation->reported_in >= scaler_wanted(generation))
            generation_event(generation, GENERATION_WORKERS_IN, NULL);
        workers_recycle(generation);
        surging_look(generation->pool);
        fallback_look(&generation->pool->fallback);
        break;
    case CHILD_DO_DRAIN:
        worker->told_to_go = reason;
        atomic_store(&worker->slot->drain, 1);
        loop_timer_set(generation_loop(generation), &worker->deadline,
                       now + generation->settings->restart.drain_timeout_ns + CLOCK_NS_PER_S);
        send_drain(worker);
        break;
    case CHILD_DO_KILL:
        worker->told_to_go = reason;
        loop_timer_clear(generation_loop(generation), &worker->deadline);
        if (worker->pid > 0)
            kill(worker->pid, SIGKILL);
        break;
    default: break;
    }
}

void worker_kill(struct worker *worker, const char *reason)
{
    worker_step(worker, CHILD_KILL, reason);
}

const char *workers_hook_in_hand(const struct worker *worker, char text[SLOT_REQUEST_SIZE])
{
    uint32_t state = atomic_load(&worker->slot->state);
    bool draining = state == SLOT_DRAINING && atomic_load(&worker->slot->request_started_ns) == 0;
    if (state != SLOT_STARTING && !draining)
        return NULL;
    memcpy(text, worker->slot->request, SLOT_REQUEST_SIZE);
    text[SLOT_REQUEST_SIZE - 1] = '\0';
    return strncmp(text, draining ? "worker_stop " : "worker_start ", draining ? 12 : 13) == 0 ? text : NULL;
}

static void deadline_expired(void *data)
{
    struct worker *worker = data;
    char text[SLOT_REQUEST_SIZE];
    const char *hook = workers_hook_in_hand(worker, text);
    if (hook)
        log_warnx("%s: worker %u is still in its %s", worker->generation->pool->name, worker->index, hook);
    if (worker->state == CHILD_STARTING && worker->pid == 0)
        generation_kill_mold(worker->generation, "it did not fork a worker within restart.ready_timeout");
    worker_step(worker, CHILD_DEADLINE,
                worker->state == CHILD_STARTING ? "it was not ready within restart.ready_timeout"
                                                : "it was not drained within restart.drain_timeout");
}

void workers_measured(struct worker *worker, const struct memory_figures *figures)
{
    if (worker->measured_ns == 0)
        worker->private_at_first = figures->private_bytes;
    worker->memory = *figures;
    worker->measured_ns = clock_monotonic_ns();
}

/* Told to go, or going by itself, under the rules of recycling. */
static void retire(struct worker *worker, enum recycle_reason reason)
{
    worker->replaced = reason;
    recycling_record(worker);
    worker_step(worker, CHILD_DRAIN, worker->replaced_because);
}

/* It has taken its last request, and drains by itself. */
static void worker_spent(struct worker *worker)
{
    if (worker->state != CHILD_SERVING)
        return;
    if (worker->trace) {
        worker_step(worker, CHILD_DRAIN, "it has traced its requests");
        return;
    }
    retire(worker, atomic_load(&worker->slot->out_of_memory) > 0 ? RECYCLE_MEMORY_LIMIT : RECYCLE_REQUESTS);
    workers_recycle(worker->generation);
}

/* It leaves by itself now; what follows, when it has (bury). */
static void worker_failed(struct worker *worker, const char *reason)
{
    struct generation *generation = worker->generation;
    worker->start_failed = true;
    log_warnx("%s: worker %u can't start: %s", generation->pool->name, worker->index, reason);
    if (generation_is_coming(generation->state) && generation->error.length == 0)
        strbuf_printf(&generation->error, "%s", reason);
}

static void worker_message(struct worker *worker, const struct message *message)
{
    switch (message->type) {
    case MESSAGE_READY:
        worker_step(worker, CHILD_READY, NULL);
        rescue_deliver(worker->generation->pool);
        break;
    case MESSAGE_MEASURED:
        workers_measured(worker, &message->measured);
        inquiry_measured(&worker->measures);
        break;
    case MESSAGE_FAILED: worker_failed(worker, message->text); break;
    case MESSAGE_HEAP_MAPPED: inquiry_heap_mapped(worker, message); break;
    case MESSAGE_ALMOST_DONE:
        worker->almost_done = true;
        workers_recycle(worker->generation);
        break;
    case MESSAGE_FILE_LOADED: generation_file_loaded(worker->generation, message); break;
    case MESSAGE_SPENT: worker_spent(worker); break;
    case MESSAGE_REPORTED: trace_reported(worker, message->reported.bytes, message->reported.error); break;
    default:
        log_warnx("%s: worker %u sent an unexpected message %s", worker->generation->pool->name, worker->index,
                  message_name(message->type));
        break;
    }
}

static void read_channel(struct worker *worker)
{
    struct message message;
    int descriptors[CHANNEL_DESCRIPTORS_MAX];
    while (worker->channel.fd >= 0) {
        int got = channel_receive(worker->channel.fd, &message, descriptors);
        if (got > 0 && message.type == MESSAGE_CONNECTION) {
            rescue_add(worker, descriptors[0]); /* delivered when it is buried */
        } else if (got > 0) {
            worker_message(worker, &message);
        } else if (got < 0 && errno == EBADMSG) {
            log_warnx("%s: worker %u sent something that is no message", worker->generation->pool->name, worker->index);
        } else if (got < 0 && errno == EMFILE) {
            log_warn("%s: a connection of worker %u can't be had", worker->generation->pool->name, worker->index);
        } else if (got < 0 && errno == ECONNRESET) {
            continue; /* it left without reading all; what it said is still to come (the error comes once) */
        } else {
            /* End of file is the worker's death, which the reaping tells. */
            if (got == 0 || errno != EAGAIN)
                close_channel(worker);
            return;
        }
    }
}

void workers_hear(struct worker *worker)
{
    read_channel(worker);
}

static void worker_channel_ready(void *data, uint32_t events)
{
    struct worker *worker = data;
    if (events & EPOLLOUT) {
        loop_modify(generation_loop(worker->generation), &worker->channel, EPOLLIN);
        if (worker->lacks_access_log)
            workers_send_access_log(worker);
        if (worker->state == CHILD_DRAINING)
            send_drain(worker);
        rescue_deliver(worker->generation->pool);
    }
    read_channel(worker);
}

void workers_drain_one(struct worker *worker, const char *reason)
{
    worker_step(worker, CHILD_DRAIN, reason);
}

/* As many as are in place beyond the number wanted; one that waits for its last request goes by itself. */
static void let_replaced_go(struct generation *generation)
{
    unsigned serving = generation_count(generation, CHILD_SERVING);
    unsigned wanted = surging_permits(generation, scaler_wanted(generation));
    for (uint32_t i = 0; i < generation->worker_slots && serving > wanted; i++) {
        struct worker *worker = &generation->workers[i];
        if (!worker->in_use || worker->trace || worker->state != CHILD_SERVING || worker->replaced == RECYCLE_NONE ||
            worker->replaced == RECYCLE_REQUESTS)
            continue;
        retire(worker, worker->replaced);
        serving--;
    }
}

/* Fewer are wanted than before. */
static void let_excess_go(struct generation *generation)
{
    struct worker *worker;
    while ((worker = scaler_excess(generation)))
        worker_step(worker, CHILD_DRAIN, "fewer workers are wanted");
}

void workers_recycle(struct generation *generation)
{
    bool serves = generation->state == GENERATION_SERVING;
    if ((!serves && generation->state != GENERATION_READY) || generation->mold.channel.fd < 0)
        return;
    bool settled = serves && !surging_replaces(generation);
    if (settled)
        recycling_choose(generation);
    /* Where workers die young, the next one waits for its time. */
    if (!loop_timer_is_set(&generation->refill))
        refill(generation);
    if (settled) {
        let_replaced_go(generation);
        let_excess_go(generation);
    }
}

void workers_lift_request_limits(struct generation *generation)
{
    const struct message serve = { .type = MESSAGE_SERVE };
    for (uint32_t i = 0; i < generation->worker_slots; i++) {
        struct worker *worker = &generation->workers[i];
        if (!worker->in_use || worker->trace || atomic_exchange(&worker->slot->request_limit, 0) == 0)
            continue;
        /* It may sleep with its listeners given up. (One with much to read is awake, one that is gone is reaped.) */
        if (worker->state == CHILD_SERVING && worker->channel.fd >= 0)
            channel_send(worker->channel.fd, &serve, NULL, 0);
    }
}

void workers_set_request_limits(struct generation *generation)
{
    for (uint32_t i = 0; i < generation->worker_slots; i++) {
        struct worker *worker = &generation->workers[i];
        uint64_t limit = worker->limits.requests;
        if (!worker->in_use || worker->trace || limit == 0)
            continue;
        uint64_t served = atomic_load(&worker->slot->accepted);
        atomic_store(&worker->slot->request_limit, served < limit ? limit : served + 1);
    }
}

/* A mold runs code of an app, and what it names will be sent signals. */
static bool may_be_worker(const struct generation *generation, pid_t pid)
{
    siginfo_t info;
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           !supervisor_knows_process(generation->pool->supervisor, pid);
}

void workers_forked(struct generation *generation, uint32_t slot, pid_t pid, int error)
{
    if (slot >= generation->worker_slots || !generation->workers[slot].in_use || generation->workers[slot].pid) {
        log_warnx("%s: the mold of generation %u answered for a worker that was not ordered", generation->pool->name,
                  generation->number);
        return;
    }
    struct worker *worker = &generation->workers[slot];
    int status;
    if (pid <= 0) {
        if (generation_is_coming(generation->state) && generation->error.length == 0)
            strbuf_printf(&generation->error, "a worker can't be forked: %s", shortage_text(error));
        refill_after_shortage(generation, "a worker can't be forked", error);
        bury(worker, -1);
        return;
    }
    if (!orphans_take(pid, worker->started_ns, &status)) {
        if (!may_be_worker(generation, pid)) {
            log_warnx("%s: the mold of generation %u named process %ld, which is none of its workers",
                      generation->pool->name, generation->number, (long)pid);
            bury(worker, -1);
            return;
        }
        status = -1;
    }
    worker->pid = pid;
    if (status >= 0)
        bury(worker, status);
    else if (worker->state == CHILD_KILLED)
        kill(pid, SIGKILL);
    else if (worker->state == CHILD_SERVING)
        measure_at_birth(worker);
    /* There is room for the next order. */
    workers_recycle(generation);
}

/*
 * It accepts nothing, nor will it: each side writes its word of the slot before it reads the other's. (What its channel
 * would say may be on its way, with a connection accepted already.)
 */
static bool has_not_begun(const struct worker *worker)
{
    atomic_store(&worker->slot->drain, 1);
    return worker->state == CHILD_STARTING && atomic_load(&worker->slot->state) == SLOT_STARTING;
}

void workers_abandon(struct generation *generation, const char *reason)
{
    for (uint32_t i = 0; i < generation->worker_slots; i++) {
        struct worker *worker = &generation->workers[i];
        if (worker->in_use)
            worker_step(worker, has_not_begun(worker) ? CHILD_KILL : CHILD_DRAIN, reason);
    }
}

void workers_tell(struct generation *generation, enum child_event event, const char *reason)
{
    for (uint32_t i = 0; i < generation->worker_slots; i++)
        if (generation->workers[i].in_use)
            worker_step(&generation->workers[i], event, reason);
}

bool workers_reaped(struct generation *generation, pid_t pid, int status)
{
    for (uint32_t i = 0; i < generation->worker_slots; i++) {
        struct worker *worker = &generation->workers[i];
        if (!worker->in_use || worker->pid != pid)
            continue;
        bury(worker, status);
        return true;
    }
    return false;
}

void workers_forget_ordered(struct generation *generation)
{
    for (uint32_t i = 0; i < generation->worker_slots; i++)
        if (generation->workers[i].in_use && generation->workers[i].pid == 0)
            bury(&generation->workers[i], -1);
}

bool workers_watch_channel(struct worker *worker, int channel)
{
    /* One that was told to go before an upgrade may not have it in its channel yet. */
    bool awaits_room = worker->in_use && (worker->state == CHILD_DRAINING || worker->lacks_access_log);
    worker->channel = (struct loop_source){ .fd = channel, .ready = worker_channel_ready, .data = worker };
    return loop_add(generation_loop(worker->generation), &worker->channel,
                    awaits_room ? EPOLLIN | EPOLLOUT : EPOLLIN) == 0;
}

bool workers_watch(struct worker *worker, int output)
{
    worker->deadline = (struct loop_timer){ .expired = deadline_expired, .data = worker };
    return output < 0 ||
           output_open(&worker->output, generation_loop(worker->generation), output, describe_worker, worker) == 0;
}

bool workers_adopt(struct worker *worker, int channel, int output)
{
    worker->in_use = true;
    if (!workers_watch(worker, output))
        return false;
    worker->channel.fd = channel;
    return channel < 0 || workers_watch_channel(worker, channel);
}

void workers_adopt_refill(struct generation *generation, int64_t deadline_ns)
{
    generation->refill = (struct loop_timer){ .expired = refill_expired, .data = generation };
    loop_timer_set(generation_loop(generation), &generation->refill, deadline_ns);
}
