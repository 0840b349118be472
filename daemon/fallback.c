#include "fallback.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "clock.h"
#include "crash_loop.h"
#include "fallback_policy.h"
#include "log.h"
#include "obituary.h"
#include "rescue.h"
#include "spawn_mold.h"
#include "supervisor.h"
#include "workers.h"
#include "xalloc.h"

/* What it has accepted when it is told to leave is answered within this. */
#define LEAVE_NS (5 * CLOCK_NS_PER_S)
/* One that can't start, or that somebody has killed, is not tried at once again. */
#define AGAIN_NS (5 * CLOCK_NS_PER_S)

static struct loop *loop_of(const struct fallback *fallback)
{
    return fallback->pool->supervisor->loop;
}

static void describe(void *data, const char *app, char *source, size_t size)
{
    const struct fallback *fallback = data;
    (void)app;
    snprintf(source, size, "%s fallback %ld", fallback->pool->name, (long)fallback->pid);
}

void fallback_init(struct fallback *fallback, struct pool *pool)
{
    *fallback = (struct fallback){ .pool = pool, .channel.fd = -1 };
}

static unsigned count_serving(const struct pool *pool)
{
    unsigned serving = 0;
    for (const struct generation *g = pool->generations; g; g = g->next)
        if (g->state == GENERATION_SERVING || g->state == GENERATION_READY)
            serving += generation_count(g, CHILD_SERVING);
    return serving;
}

static void close_channel(struct fallback *fallback)
{
    if (fallback->channel.fd < 0)
        return;
    loop_remove(loop_of(fallback), &fallback->channel);
    close(fallback->channel.fd);
    fallback->channel.fd = -1;
}

/* It says nothing: that it has left is told by the reaping. */
static void channel_ready(void *data, uint32_t events)
{
    (void)events;
    close_channel(data);
}

static pid_t spawn(const struct fallback *fallback, int board, int channel, int output)
{
    const struct pool *pool = fallback->pool;
    struct strbuf text = { 0 };
    int *listeners = xcalloc(pool->listener_count + 1, sizeof *listeners);

    for (size_t i = 0; i < pool->listener_count; i++)
        listeners[i] = pool->listeners[i]->fd;
    struct config *own = pool->serving ? pool->serving->config : pool->stuck;
    const struct config_pool *settings = pool->serving ? pool->serving->settings : config_pool_find(own, pool->name);
    config_print_pool(own, settings, &text);
    int config = spawn_memfd("cowherd-config", text.data, text.length);
    pid_t pid = -1;
    if (config >= 0) {
        pid = spawn_fallback(&(struct spawn_mold){
            .pool = settings,
            .config = config,
            .scoreboard = board,
            .channel = channel,
            .output = output,
            .access_log = -1,
            .handback = pool->handback,
            .listeners = listeners,
            .listener_count = pool->listener_count,
        });
        int error = errno;
        close(config);
        errno = error;
    }
    strbuf_free(&text);
    free(listeners);
    return pid;
}

static bool watch(struct fallback *fallback, int channel, int output)
{
    fallback->channel = (struct loop_source){ .fd = channel, .ready = channel_ready, .data = fallback };
    if (output_open(&fallback->output, loop_of(fallback), output, describe, fallback) < 0)
        log_warn("%s: the output of the fallback can't be read", fallback->pool->name);
    return loop_add(loop_of(fallback), &fallback->channel, EPOLLIN) == 0;
}

static void start(struct fallback *fallback, int64_t now)
{
    int channel[2] = { -1, -1 }, pipe_ends[2] = { -1, -1 }, board = -1;
    struct scoreboard *map = scoreboard_create(1, &board);

    fallback->not_before_ns = now + AGAIN_NS;
    if (map && channel_pair(channel) == 0 && pipe2(pipe_ends, O_CLOEXEC) == 0)
        fallback->pid = spawn(fallback, board, channel[1], pipe_ends[1]);
    if (!map || pipe_ends[0] < 0 || fallback->pid <= 0) {
        log_warn("%s: the fallback can't be started", fallback->pool->name);
        fallback->pid = 0;
        scoreboard_detach(map);
        if (channel[0] >= 0)
            close(channel[0]);
        if (pipe_ends[0] >= 0)
            close(pipe_ends[0]);
    } else {
        fallback->board = map;
        fallback->leaving = false;
        fallback->next_try_ns = 0;
        fallback->started++;
        log_warnx("%s: there is no worker: the fallback (pid %ld) answers 503", fallback->pool->name,
                  (long)fallback->pid);
        if (!watch(fallback, channel[0], pipe_ends[0])) {
            log_warn("%s: the fallback can't be watched", fallback->pool->name);
            kill(fallback->pid, SIGKILL);
        }
    }
    int const unneeded[] = { board, channel[1], pipe_ends[1] };
    for (size_t i = 0; i < sizeof unneeded / sizeof *unneeded; i++)
        if (unneeded[i] >= 0)
            close(unneeded[i]);
}

static void deadline_expired(void *data)
{
    struct fallback *fallback = data;
    if (fallback->pid > 0)
        kill(fallback->pid, SIGKILL);
}

static void retire(struct fallback *fallback, bool take_backlog)
{
    int64_t deadline = clock_monotonic_ns() + LEAVE_NS;
    struct message order = { .type = MESSAGE_DRAIN,
                             .drain = { .deadline_ns = deadline, .take_backlog = take_backlog } };

    fallback->leaving = true;
    if (fallback->channel.fd >= 0)
        channel_send(fallback->channel.fd, &order, NULL, 0);
    fallback->deadline = (struct loop_timer){ .expired = deadline_expired, .data = fallback };
    loop_timer_set(loop_of(fallback), &fallback->deadline, deadline);
}

/* For its Retry-After. */
static void tell_next_try(struct fallback *fallback, int64_t next_try_ns)
{
    struct message news = { .type = MESSAGE_NEXT_TRY, .next_try = { .at_ns = next_try_ns } };

    if (fallback->next_try_ns == next_try_ns || fallback->channel.fd < 0)
        return;
    if (channel_send(fallback->channel.fd, &news, NULL, 0) == 0)
        fallback->next_try_ns = next_try_ns;
}

/* For its page. */
static void tell_trouble(const struct fallback *fallback)
{
    struct message news = { .type = MESSAGE_TROUBLE };

    snprintf(news.text, sizeof news.text, "%s", fallback->pool->last_error ? fallback->pool->last_error : "");
    if (fallback->channel.fd >= 0)
        channel_send(fallback->channel.fd, &news, NULL, 0);
}

/* Where no worker waits or is on its way, none is wanted. */
static bool tries_in_vain(const struct generation *generation)
{
    return generation->deaths.failures > 0 && (loop_timer_is_set(&generation->refill) || workers_alive(generation) > 0);
}

bool fallback_accepts(const struct fallback *fallback)
{
    return fallback->pid != 0 && !fallback->leaving;
}

static struct fallback_facts facts_of(struct fallback *fallback, int64_t now)
{
    const struct pool *pool = fallback->pool;
    const struct generation *serving = pool->serving;
    struct fallback_facts facts = {
        .present = fallback->pid != 0 || now < fallback->not_before_ns,
        .accepts = fallback_accepts(fallback),
        .in_trouble =
            !pool->stopping && (serving ? serving->mold.pid == 0 || tries_in_vain(serving) : pool->stuck != NULL),
        .serving = count_serving(pool),
        .pause_ns = pool->stuck ? FALLBACK_PAUSE_NS : crash_loop_remaining(pool, now),
    };
    if (facts.serving > 0)
        fallback->without_since_ns = 0;
    else if (fallback->without_since_ns == 0)
        fallback->without_since_ns = now;
    facts.without_ns = facts.serving > 0 ? 0 : now - fallback->without_since_ns;
    return facts;
}

void fallback_look(struct fallback *fallback)
{
    int64_t now = clock_monotonic_ns();
    const struct fallback_facts facts = facts_of(fallback, now);

    switch (fallback_decide(&facts)) {
    case FALLBACK_START: start(fallback, now); break;
    case FALLBACK_RETIRE:
        log_info("%s: %s: the fallback leaves", fallback->pool->name,
                 facts.serving > 0 ? "a worker is ready" : "no worker is missing");
        retire(fallback, false);
        break;
    case FALLBACK_LEAVE_AS_IS: break;
    }
    if (!fallback_accepts(fallback))
        return;
    if (fallback->pool->stuck)
        tell_trouble(fallback);
    else if (facts.pause_ns > 0)
        tell_next_try(fallback, now + facts.pause_ns);
    rescue_deliver(fallback->pool);
}

void fallback_stop(struct fallback *fallback, bool now)
{
    if (fallback_accepts(fallback))
        retire(fallback, true);
    if (fallback->pid != 0 && now)
        kill(fallback->pid, SIGKILL);
}

bool fallback_reaped(struct fallback *fallback, pid_t pid, int status)
{
    struct pool *pool = fallback->pool;

    if (pid != fallback->pid || pid == 0)
        return false;
    bool clean = fallback->leaving && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    void (*say)(const char *, ...) = clean ? log_info : log_warnx;
    output_close(&fallback->output);
    say("%s: the fallback (pid %ld) ended: %s after %llu requests", pool->name, (long)pid, obituary_cause(status),
        (unsigned long long)atomic_load(&fallback->board->slot[0].accepted));
    close_channel(fallback);
    loop_timer_clear(loop_of(fallback), &fallback->deadline);
    pool_account(pool, &fallback->board->slot[0], false);
    scoreboard_detach(fallback->board);
    fallback->board = NULL;
    fallback->pid = 0;
    if (fallback->leaving)
        fallback->not_before_ns = 0;
    fallback->leaving = false;
    fallback_look(fallback);
    supervisor_pool_changed(pool->supervisor);
    return true;
}
