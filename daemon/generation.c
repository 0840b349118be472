#include "generation.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "clock.h"
#include "dev.h"
#include "generation_mold.h"
#include "log.h"
#include "pool.h"
#include "scaler.h"
#include "shortage.h"
#include "supervisor.h"
#include "surging.h"
#include "time_outs.h"
#include "workers.h"
#include "xalloc.h"

/* How long a mold that has failed is given to leave. */
#define LEAVE_NS (2 * CLOCK_NS_PER_S)

/* How long a mold that has run out of time has to say where it is. */
#define ANSWER_NS CLOCK_NS_PER_S

struct loop *generation_loop(const struct generation *generation)
{
    return generation->pool->supervisor->loop;
}

const char *generation_app_name(const struct generation *generation, uint32_t app)
{
    return app < generation->settings->app_count ? generation->settings->apps[app].name : "";
}

unsigned generation_count(const struct generation *generation, enum child_state state)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < generation->worker_slots; i++)
        count +=
            generation->workers[i].in_use && !generation->workers[i].trace && generation->workers[i].state == state;
    return count;
}

void generation_fail(struct generation *generation, const char *reason)
{
    if (generation->error.length == 0)
        strbuf_puts(&generation->error, reason);
    else if (generation->out_of_time)
        strbuf_printf(&generation->error, ": %s", reason);
    generation_event(generation, GENERATION_FAIL, reason);
}

void generation_file_loaded(struct generation *generation, const struct message *message)
{
    if (generation->pool->supervisor->dev)
        dev_file_loaded(generation->pool->supervisor->dev, generation, message);
}

static void empty_expired(void *data)
{
    struct generation *generation = data;
    if (workers_alive(generation) == 0 && generation->mold.pid == 0)
        generation_event(generation, GENERATION_EMPTY, "all its processes have ended");
}

/*
 * What the apps of a generation that failed have started ends with it, but not before its workers, which are in the
 * same group. (A process number that is free since a moment ago comes last of all.)
 */
static void end_orphans(struct generation *generation)
{
    if (generation->state != GENERATION_FAILED || generation->orphan_group == 0 || workers_alive(generation) > 0)
        return;
    kill(-generation->orphan_group, SIGKILL);
    generation->orphan_group = 0;
}

void generation_check_empty(struct generation *generation)
{
    end_orphans(generation);
    loop_timer_set(generation_loop(generation), &generation->empty, clock_monotonic_ns());
}

/* Of the first worker that is not up for being in a hook; allocated, NULL: there is none. */
static char *name_hook_in_hand(const struct generation *generation)
{
    char text[SLOT_REQUEST_SIZE];
    for (uint32_t i = 0; i < generation->worker_slots; i++) {
        const struct worker *worker = &generation->workers[i];
        const char *hook = worker->in_use ? workers_hook_in_hand(worker, text) : NULL;
        if (hook)
            return xasprintf("worker %u is still in its %s", i, hook);
    }
    return NULL;
}

static void deadline_expired(void *data)
{
    struct generation *generation = data;
    generation->mold.leaving = false;
    if (generation->state == GENERATION_FAILED) {
        generation_kill_mold(generation, "it has failed and did not leave");
        return;
    }
    if (generation->state == GENERATION_DRAINING) {
        log_warnx("%s: generation %u is killed: it was not gone within restart.drain_timeout", generation->pool->name,
                  generation->number);
        generation_kill(generation, "it was not gone within restart.drain_timeout");
        return;
    }
    if (generation->out_of_time) {
        struct strbuf where = { 0 };
        const char *app = generation_app_name(generation, generation->loading_app);
        strbuf_printf(&where, "%s%s", *app ? app : "the mold",
                      *app ? ": it is still loading, and could not be interrupted" : " does not answer");
        generation_fail(generation, where.data);
        strbuf_free(&where);
        return;
    }
    double timeout = (double)generation->settings->restart.ready_timeout_ns / (double)CLOCK_NS_PER_S;
    strbuf_printf(&generation->error, "it was not ready within restart.ready_timeout (%.1f s)", timeout);
    generation->out_of_time = true;
    if (generation->state != GENERATION_LOADING || generation->mold.pid == 0) {
        const char *uri = warm_up_request_in_hand(generation);
        char *hook = name_hook_in_hand(generation);
        char *where = hook ? hook : uri ? xasprintf("warmup: GET %s is not answered yet", uri) : NULL;
        generation_fail(generation, where ? where : "not all workers have reported in");
        free(where);
        return;
    }
    kill(generation->mold.pid, SIGALRM);
    loop_timer_set(generation_loop(generation), &generation->deadline, clock_monotonic_ns() + ANSWER_NS);
}

/* All but the scoreboard and what runs. */
static struct generation *allocate(struct pool *pool, struct config *config, const struct config_pool *settings,
                                   struct listener *const *listeners, size_t listener_count)
{
    struct generation *generation = xcalloc(1, sizeof *generation);
    generation->pool = pool;
    generation->config = config_retain(config);
    generation->settings = settings;
    generation->listeners = xcalloc(listener_count + 1, sizeof *generation->listeners);
    generation->listener_count = listener_count;
    for (size_t i = 0; i < listener_count; i++) {
        generation->listeners[i] = listeners[i];
        listener_hold(listeners[i]);
    }
    generation->deadline = (struct loop_timer){ .expired = deadline_expired, .data = generation };
    generation->empty = (struct loop_timer){ .expired = empty_expired, .data = generation };
    generation->mold.channel.fd = -1;
    generation->board_fd = -1;
    return generation;
}

static void make_workers(struct generation *generation)
{
    generation->workers = xcalloc(generation->worker_slots, sizeof *generation->workers);
    for (uint32_t i = 0; i < generation->worker_slots; i++) {
        generation->workers[i].generation = generation;
        generation->workers[i].index = i;
        generation->workers[i].slot = &generation->board->slot[i];
        generation->workers[i].channel.fd = -1;
        generation->workers[i].map_fd = -1;
        generation->workers[i].escrow = -1;
    }
}

struct generation *generation_start(struct pool *pool, struct config *config, const struct config_pool *settings,
                                    struct listener *const *listeners, size_t listener_count, unsigned number,
                                    struct strbuf *error)
{
    struct generation *generation = allocate(pool, config, settings, listeners, listener_count);
    generation->number = number;
    generation->state = GENERATION_LOADING;
    generation->worker_slots = scaler_slots(settings);
    generation->board = scoreboard_create(generation->worker_slots, &generation->board_fd);
    if (!generation->board) {
        strbuf_printf(error, "can't make a scoreboard: %s", shortage_text(errno));
        generation->board_fd = -1;
        generation_free(generation);
        return NULL;
    }
    make_workers(generation);
    time_outs_start(generation);
    if (!generation_start_mold(generation, error)) {
        generation_free(generation);
        return NULL;
    }
    return generation;
}

struct generation *generation_adopt(struct pool *pool, struct config *config, struct listener *const *listeners,
                                    size_t listener_count, int board, uint32_t slots, struct strbuf *error)
{
    struct generation *generation = allocate(pool, config, &config->pools[0], listeners, listener_count);
    generation->worker_slots = slots;
    generation->board_fd = board;
    generation->board = scoreboard_adopt(board, slots);
    if (!generation->board) {
        strbuf_printf(error, "a scoreboard can't be mapped: %s", strerror(errno));
        generation_free(generation);
        return NULL;
    }
    make_workers(generation);
    return generation;
}

void generation_free(struct generation *generation)
{
    struct listener_set *set = &generation->pool->supervisor->listeners;
    struct loop *loop = generation_loop(generation);
    /* One that failed has told so; what still waits here waited for the handover only. */
    ticket_list_settle(&generation->tickets, true, "the generation served, and is gone");
    warm_up_stop(generation);
    loop_timer_clear(loop, &generation->deadline);
    loop_timer_clear(loop, &generation->refill);
    loop_timer_clear(loop, &generation->handover);
    time_outs_stop(generation);
    scaler_free(generation);
    loop_timer_clear(loop, &generation->empty);
    generation_close_mold_channel(generation);
    output_close(&generation->mold.output);
    for (size_t i = 0; i < generation->listener_count; i++)
        listener_release(set, generation->listeners[i]);
    free(generation->listeners);
    if (generation->board) {
        scoreboard_detach(generation->board);
        close(generation->board_fd);
    }
    free(generation->workers);
    strbuf_free(&generation->error);
    config_release(generation->config);
    free(generation);
}

static void log_state(const struct generation *generation, const char *reason)
{
    log_info("%s: generation %u is %s%s%s", generation->pool->name, generation->number,
             generation_state_name(generation->state), reason ? ": " : "", reason ? reason : "");
}

void generation_event(struct generation *generation, enum generation_event event, const char *reason)
{
    struct loop *loop = generation_loop(generation);
    enum generation_action action = generation_step(&generation->state, event);
    switch (action) {
    case GENERATION_DO_WARM: warm_up_start(generation); break;
    case GENERATION_DO_FORK:
        scaler_begin(generation);
        surging_choose(generation);
        if (scaler_wanted(generation) == 0) {
            generation_event(generation, GENERATION_WORKERS_IN, NULL);
        } else if (generation->one_by_one) {
            surging_look(generation->pool);
        } else if (!workers_fill(generation)) {
            strbuf_printf(&generation->error, "a worker can't be ordered: %s", shortage_text(errno));
            generation_event(generation, GENERATION_FAIL, generation->error.data);
        }
        break;
    case GENERATION_DO_PROMOTE:
        loop_timer_clear(loop, &generation->deadline);
        log_state(generation, NULL);
        pool_generation_serves(generation->pool, generation);
        workers_recycle(generation);
        scaler_serve(generation);
        break;
    case GENERATION_DO_ABANDON:
        log_warnx("%s: generation %u failed: %s", generation->pool->name, generation->number,
                  generation->error.length ? generation->error.data : reason);
        if (generation->error.length == 0)
            strbuf_puts(&generation->error, reason);
        loop_timer_clear(loop, &generation->deadline);
        warm_up_stop(generation);
        if (!generation->pool->serving)
            atomic_store(&generation->board->last, 1); /* nobody would take what its workers give */
        workers_abandon(generation, "its generation failed");
        generation_kill_mold(generation, "its generation failed");
        if (generation->mold.leaving)
            loop_timer_set(loop, &generation->deadline, clock_monotonic_ns() + LEAVE_NS);
        generation_check_empty(generation);
        pool_generation_failed(generation->pool, generation);
        break;
    case GENERATION_DO_DRAIN:
        log_state(generation, reason);
        loop_timer_clear(loop, &generation->refill);
        scaler_stop(generation);
        loop_timer_set(loop, &generation->deadline,
                       clock_monotonic_ns() + generation->settings->restart.drain_timeout_ns + 2 * CLOCK_NS_PER_S);
        workers_tell(generation, CHILD_DRAIN, reason);
        /* A mold leaves at the end of its channel; what it was ordered before that, it still does and answers. */
        if (generation->mold.channel.fd >= 0)
            shutdown(generation->mold.channel.fd, SHUT_WR);
        generation_check_empty(generation);
        break;
    case GENERATION_DO_FREE:
        if (generation->state == GENERATION_GONE)
            log_state(generation, NULL);
        pool_generation_over(generation->pool, generation);
        break;
    default: break;
    }
}

void generation_kill(struct generation *generation, const char *reason)
{
    workers_tell(generation, CHILD_KILL, reason);
    generation_kill_mold(generation, reason);
}

bool generation_reaped(struct generation *generation, pid_t pid, int status)
{
    if (generation->mold.pid == pid) {
        generation_mold_reaped(generation, status);
        return true;
    }
    return workers_reaped(generation, pid, status);
}

void generation_send_access_log(struct generation *generation)
{
    generation_send_mold_access_log(generation);
    for (uint32_t i = 0; i < generation->worker_slots; i++)
        if (generation->workers[i].in_use)
            workers_send_access_log(&generation->workers[i]);
}

void generation_ask_memory(struct generation *generation, struct worker *worker)
{
    struct message message = { .type = MESSAGE_MEASURE };
    int fd = worker ? worker->channel.fd : generation->mold.channel.fd;
    /* One that doesn't read keeps its last figures. */
    if (fd >= 0)
        channel_send(fd, &message, NULL, 0);
}
