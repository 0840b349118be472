#include "server.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "access_log.h"
#include "channel.h"
#include "clock.h"
#include "collector.h"
#include "connection.h"
#include "heap_survey.h"
#include "intake.h"
#include "listening.h"
#include "log.h"
#include "memory_meter.h"
#include "orphaned.h"
#include "region.h"
#include "stray_child.h"
#include "title.h"

#define EVENTS 64

struct server {
    const struct server_options *options;
    struct intake intake;
    struct listening listening;
    struct collector collector;
    int epoll_fd;
    enum event_source channel_source;
    bool ordered; /* to drain, at the end of this round */
    int64_t order_deadline_ns;
    bool order_backlog;
    int64_t drain_deadline_ns; /* 0: none, or not draining */
};

static volatile sig_atomic_t terminate;

static void on_terminate(int signal_number)
{
    (void)signal_number;
    terminate = 1;
}

/* The end */

static void drain(struct server *server, int64_t deadline_ns, bool with_backlog)
{
    if (deadline_ns > 0 && (server->drain_deadline_ns == 0 || deadline_ns < server->drain_deadline_ns))
        server->drain_deadline_ns = deadline_ns;
    if (server->intake.draining)
        return;
    server->intake.draining = true;
    atomic_store(&server->options->slot->state, SLOT_DRAINING); /* before a last look at what others have given */
    title_state(slot_state_name(SLOT_DRAINING));
    listening_stop(&server->listening, with_backlog);
    intake_drain(&server->intake);
}

static void drain_by_own_timeout(struct server *server)
{
    int64_t timeout_ns = server->options->pool->restart.drain_timeout_ns;

    drain(server, timeout_ns > 0 ? server->intake.now_ns + timeout_ns : 0, false);
}

/* As told by the supervisor, but for the number of requests, which the worker keeps to by itself. */
static void leave_when_spent(struct server *server)
{
    if (server->intake.draining || !quota_is_spent(&server->intake.quota))
        return;
    quota_tell_spent(&server->intake.quota);
    drain_by_own_timeout(server);
}

static bool is_finished(struct server *server)
{
    if (!server->intake.draining)
        return false;
    if (server->drain_deadline_ns > 0 && server->intake.now_ns >= server->drain_deadline_ns)
        return true;
    if (server->intake.connections.count == 0)
        listening_take_given(&server->listening);
    return server->intake.connections.count == 0;
}

/* The channel */

static void answer_measure(struct server *server)
{
    struct message message = { .type = MESSAGE_MEASURED };

    collector_publish_sizes(&server->collector, server->intake.now_ns);
    if (memory_measure(0, region_bounds.start, region_bounds.end, &message.measured) == -1)
        log_warn("memory can't be measured");
    else if (channel_send(server->options->channel, &message, NULL, 0) == -1)
        log_warn("a measurement can't be sent");
}

static void answer_map(const struct server *server, int fd)
{
    struct message message = { .type = MESSAGE_HEAP_MAPPED };
    ssize_t length = heap_survey_write(server->options->apps, fd);

    if (length >= 0)
        message.reported.bytes = (uint64_t)length;
    else
        message.reported.error = errno;
    close(fd);
    if (channel_send(server->options->channel, &message, NULL, 0) == -1)
        log_warn("a map of the heap can't be sent");
}

static void announce(struct server *server)
{
    const struct server_options *options = server->options;
    struct message ready = { .type = MESSAGE_READY, .ready = { .slot = options->slot_index } };

    atomic_store_explicit(&options->slot->ready_ns, server->intake.now_ns, memory_order_relaxed);
    atomic_store(&options->slot->state, SLOT_IDLE); /* before the first look at its `drain` (listening_begin) */
    title_state(slot_state_name(SLOT_IDLE));
    listening_start(&server->listening);
    if (channel_send(options->channel, &ready, NULL, 0) == -1)
        log_warn("the supervisor can't be told that this worker is ready");
    quota_announce(&server->intake.quota);
}

static void end_warm_up(struct server *server)
{
    if (!server->intake.draining && !server->listening.started)
        announce(server);
}

/* There was no room for its descriptors. */
static void miss_message(const struct server *server, const struct message *message)
{
    const struct message no_map = { .type = MESSAGE_HEAP_MAPPED, .reported = { .error = EMFILE } };

    errno = EMFILE;
    log_warn("what came with %s can't be had", message_name(message->type));
    if (message->type == MESSAGE_MAP_HEAP && channel_send(server->options->channel, &no_map, NULL, 0) == -1)
        log_warn("a map of the heap can't be sent");
}

static void receive_message(struct server *server)
{
    struct message message;
    int descriptors[CHANNEL_DESCRIPTORS_MAX];
    int result = channel_receive(server->options->channel, &message, descriptors);

    if (result == -1 && (errno == EAGAIN || errno == EBADMSG))
        return;
    if (result == -1 && errno == EMFILE) {
        miss_message(server, &message);
        return;
    }
    if (result != 1) {
        /* The supervisor is gone. */
        epoll_ctl(server->epoll_fd, EPOLL_CTL_DEL, server->options->channel, NULL);
        drain_by_own_timeout(server);
        return;
    }
    switch (message.type) {
    case MESSAGE_DRAIN:
        server->ordered = true;
        server->order_deadline_ns = message.drain.deadline_ns;
        server->order_backlog = message.drain.take_backlog != 0;
        break;
    case MESSAGE_WARM_UP: intake_accept(&server->intake, descriptors[0]); break;
    case MESSAGE_SERVE: end_warm_up(server); break;
    case MESSAGE_MEASURE: answer_measure(server); break;
    case MESSAGE_MAP_HEAP: answer_map(server, descriptors[0]); break;
    case MESSAGE_CONNECTION: intake_take_over(&server->intake, descriptors[0]); break;
    case MESSAGE_ACCESS_LOG: access_log_replace(descriptors[0]); break;
    default: log_warnx("an unexpected message: %s", message_name(message.type)); break;
    }
}

/* The loop */

/* What is not a connection's. How many are. */
static unsigned handle_orders(struct server *server, const struct epoll_event *events, int count)
{
    unsigned own = 0;

    for (int i = 0; i < count; i++) {
        void *subject = events[i].data.ptr;
        enum event_source source = *(enum event_source *)subject;
        if (source == SOURCE_LISTENER)
            listening_ready(&server->listening, subject);
        else if (source == SOURCE_CHANNEL)
            receive_message(server);
        else
            own++;
    }
    return own;
}

static void handle_connections(struct server *server, const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        if (*(enum event_source *)events[i].data.ptr != SOURCE_CONNECTION)
            continue;
        struct connection *connection = events[i].data.ptr;
        if (connection->fd != -1) /* else closed earlier in this round, or given away */
            intake_receive(&server->intake, connection);
        quota_announce(&server->intake.quota);
    }
}

static int wait_ms(const struct server *server)
{
    int64_t deadline_ns = connection_next_deadline(&server->intake.connections);
    const int64_t others[] = {
        server->drain_deadline_ns,
        listening_deadline(&server->listening),
        collector_deadline(&server->collector),
    };

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i] > 0 && (deadline_ns == 0 || others[i] < deadline_ns))
            deadline_ns = others[i];
    return deadline_ns > 0 ? clock_poll_timeout_ms(deadline_ns, clock_monotonic_ns()) : -1;
}

/*
 * Events that are there, after the front end had a turn on this processor. To be woken from sleep costs the sender an
 * interrupt of another processor, more than a small request costs us: a third more requests are answered on 2 busy
 * processors than by going to sleep at once (`make bench`). For requests on kept connections it gains nothing.
 */
static int poll_once_more(const struct server *server, struct epoll_event *events, const sigset_t *open_mask)
{
    if (!server->listening.accepting)
        return 0;
    sched_yield();
    return epoll_pwait(server->epoll_fd, events, EVENTS, 0, open_mask);
}

/* Collects garbage while nobody waits for an answer. */
static int wait_for_events(struct server *server, struct epoll_event *events, const sigset_t *open_mask)
{
    int count = 0;

    if (collector_wants_quiet(&server->collector)) {
        count = epoll_pwait(server->epoll_fd, events, EVENTS, 0, open_mask);
        if (count == 0)
            collector_quiet(&server->collector, clock_monotonic_ns());
    }
    if (count == 0)
        count = poll_once_more(server, events, open_mask);
    if (count == 0) {
        intake_rest(&server->intake);
        count = epoll_pwait(server->epoll_fd, events, EVENTS, wait_ms(server), open_mask);
    }
    if (count == -1 && errno != EINTR)
        fatal("epoll_pwait");
    server->intake.now_ns = clock_monotonic_ns();
    if (count == 0)
        collector_quiet(&server->collector, server->intake.now_ns);
    return count;
}

static void run_round(struct server *server, const sigset_t *open_mask)
{
    struct epoll_event events[EVENTS];

    listening_begin(&server->listening);
    int count = wait_for_events(server, events, open_mask);
    if (terminate)
        drain_by_own_timeout(server);
    unsigned own = handle_orders(server, events, count);
    if (own > 0 && !server->intake.draining)
        listening_accept_first(&server->listening, server->ordered, own);
    handle_connections(server, events, count);
    if (!server->intake.draining)
        listening_accept(&server->listening, server->ordered);
    if (server->ordered)
        drain(server, server->order_deadline_ns, server->order_backlog);
    server->ordered = false;
    intake_expire(&server->intake);
    leave_when_spent(server);
    listening_settle(&server->listening);
    if (listening_has_served(&server->listening))
        collector_after_request(&server->collector, server->intake.now_ns);
    connection_release(&server->intake.connections);
}

static void server_open(struct server *server, const struct server_options *options)
{
    const struct config_pool *pool = options->pool;

    *server = (struct server){
        .options = options,
        .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
        .channel_source = SOURCE_CHANNEL,
    };
    if (server->epoll_fd == -1)
        fatal("epoll_create1");
    intake_open(&server->intake, server->epoll_fd, options->channel, options->escrow, pool, options->apps,
                options->slot);
    stray_child_set_connections(&server->intake.connections);
    lookout_open(&server->intake.lookout, &server->intake.connections, options->board, options->slot,
                 options->handback);
    server->intake.quota.board = options->board;
    server->intake.dispatch.board = options->board;
    collector_open(&server->collector, pool, options->apps, options->slot);

    struct epoll_event event = { .events = EPOLLIN, .data.ptr = &server->channel_source };
    if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, options->channel, &event) == -1)
        fatal("the channel can't be watched");
    orphaned_set_epoll(server->epoll_fd);
    listening_open(&server->listening, server->epoll_fd, &server->intake, options);
}

static void server_close(struct server *server)
{
    stray_child_set_connections(NULL);
    lookout_close(&server->intake.lookout);
    intake_close(&server->intake);
    orphaned_set_epoll(-1);
    close(server->epoll_fd);
    listening_close(&server->listening);
}

/* SIGTERM asks for a graceful end as DRAIN does. It gets through only while the loop waits: no call is interrupted. */
static void take_signals(sigset_t *open_mask)
{
    struct sigaction action = { .sa_handler = on_terminate };
    sigset_t closed_mask;

    sigemptyset(&closed_mask);
    sigaddset(&closed_mask, SIGTERM);
    sigprocmask(SIG_BLOCK, &closed_mask, open_mask);
    sigdelset(open_mask, SIGTERM);
    terminate = 0;
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int64_t server_run(const struct server_options *options)
{
    struct server server;
    sigset_t open_mask;

    take_signals(&open_mask);
    server_open(&server, options);
    atomic_store_explicit(&options->slot->request_fd, -1, memory_order_relaxed);
    atomic_store_explicit(&options->slot->app, SCOREBOARD_NO_APP, memory_order_relaxed);
    if (!options->warming)
        announce(&server);
    while (!is_finished(&server))
        run_round(&server, &open_mask);
    server_close(&server);
    return server.drain_deadline_ns;
}
