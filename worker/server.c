#include "server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "access_log.h"
#include "allow.h"
#include "channel.h"
#include "clock.h"
#include "collector.h"
#include "connection.h"
#include "intake.h"
#include "log.h"
#include "memory_meter.h"
#include "region.h"
#include "xalloc.h"
#include "title.h"

#define ACCEPT_ROUNDS 16   /* new connections served before the others are looked at again */
#define GIVE_WAY_NS 100000 /* how long a less busy worker is given to take a connection */
#define PAUSE_NS (100 * CLOCK_NS_PER_MS)
#define EVENTS 64

struct listener_watch {
    enum event_source source;
    int fd;
    bool with_address; /* TCP, or inherited and maybe TCP */
    bool watched;
    bool ready;
};

struct server {
    const struct server_options *options;
    struct intake intake;
    struct collector collector;
    int epoll_fd;
    struct allow_list *allow;
    struct listener_watch *listeners;
    size_t listener_count;
    enum event_source channel_source;
    bool exclusive;         /* how the listeners are watched */
    int64_t giving_way_ns;  /* since when a connection is left to others; 0: none is */
    int64_t pause_until_ns; /* no accepting before this, or before a connection closes; 0: not paused */
    unsigned pause_count;   /* connections that were open then */
    bool accepting;         /* a listener was ready in the last round */
    bool withheld;          /* the listeners are not watched, for every request left is spoken for */
    bool woken_free;        /* no order to drain was there when this round began */
    uint64_t served_before; /* requests, when this round began */
    bool ordered;           /* to drain, at the end of this round */
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

/* Listening */

static void watch_listener(struct server *server, struct listener_watch *listener)
{
    struct epoll_event event = { .events = EPOLLIN | (server->exclusive ? EPOLLEXCLUSIVE : 0), .data.ptr = listener };

    if (!listener->watched && epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, listener->fd, &event) == -1)
        fatal("a listening socket can't be watched");
    listener->watched = true;
}

static void unwatch_listener(struct server *server, struct listener_watch *listener)
{
    if (listener->watched)
        epoll_ctl(server->epoll_fd, EPOLL_CTL_DEL, listener->fd, NULL);
    listener->watched = false;
    listener->ready = false;
}

/* No more connections for a while: what is still in the queue waits there, or goes to another worker. */
static void pause_listening(struct server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        unwatch_listener(server, &server->listeners[i]);
    server->pause_until_ns = server->intake.now_ns + PAUSE_NS;
    server->pause_count = server->intake.connections.count;
}

static void resume_listening(struct server *server)
{
    if (server->pause_until_ns == 0 || server->intake.draining)
        return;
    if (server->intake.connections.count >= server->pause_count && server->intake.now_ns < server->pause_until_ns)
        return;
    server->pause_until_ns = 0;
    for (size_t i = 0; i < server->listener_count && !server->withheld; i++)
        watch_listener(server, &server->listeners[i]);
}

static bool has_room(const struct server *server)
{
    const struct connection_table *connections = &server->intake.connections;

    return quota_has_room(&server->intake.quota,
                          connections->waiting[WAIT_HEAD].count + connections->waiting[WAIT_BODY].count);
}

/*
 * A worker that sleeps with its listeners watched can take one connection more: who wakes it for one wakes nobody else.
 * So they are given up before that, and taken up again when a connection closes without a request.
 */
static void withhold(struct server *server)
{
    bool withheld = !has_room(server);

    if (withheld == server->withheld || server->intake.draining)
        return;
    server->withheld = withheld;
    for (size_t i = 0; i < server->listener_count; i++)
        if (withheld)
            unwatch_listener(server, &server->listeners[i]);
        else if (server->pause_until_ns == 0)
            watch_listener(server, &server->listeners[i]);
}

/* The connection that was idle for longest gives way. false: none is idle; no more are accepted for now. */
static bool make_room(struct server *server)
{
    struct connection *idle = server->intake.connections.waiting[WAIT_IDLE].first;

    if (idle != NULL)
        connection_close(&server->intake.connections, idle);
    else
        pause_listening(server);
    return idle != NULL;
}

static bool admit(const struct server *server, int fd, const struct sockaddr *client)
{
    const int on = 1;

    if (!allow_list_matches(server->allow, client)) {
        log_debug("a connection is refused: its address is not in socket.allow");
        return false;
    }
    if (client->sa_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return true;
}

enum accepted {
    ACCEPTED_NONE, /* there was none, or no room */
    ACCEPTED_DONE, /* it was served and is closed again */
    ACCEPTED_OPEN,
};

static enum accepted accept_failed(struct server *server, struct listener_watch *listener)
{
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        make_room(server);
    else if (errno == EINVAL)
        unwatch_listener(server, listener); /* shut down; anything else is about one connection, or none (accept(2)) */
    return ACCEPTED_NONE;
}

/* Accepts one connection and serves it when its request has come with it. */
static enum accepted accept_one(struct server *server, struct listener_watch *listener)
{
    const struct connection_table *connections = &server->intake.connections;
    bool full = connections->count >= connections->limit;
    union {
        struct sockaddr any;
        struct sockaddr_storage storage;
    } client;
    socklen_t length = sizeof client;

    if (full && connections->waiting[WAIT_IDLE].first == NULL) {
        pause_listening(server);
        return ACCEPTED_NONE;
    }

    int fd = accept4(listener->fd, listener->with_address ? &client.any : NULL, listener->with_address ? &length : NULL,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd == -1)
        return accept_failed(server, listener);
    if (listener->with_address && !admit(server, fd, &client.any)) {
        close(fd);
        return ACCEPTED_DONE;
    }
    if (full)
        make_room(server);
    return intake_accept(&server->intake, fd) ? ACCEPTED_DONE : ACCEPTED_OPEN;
}

/* Is there a worker with clearly fewer connections (and nothing to do)? */
static bool another_has_fewer(const struct server *server, bool idle)
{
    const struct scoreboard *board = server->options->board;
    unsigned own = server->intake.connections.count;

    if (board == NULL || own < 2)
        return false;
    for (uint32_t i = 0; i < atomic_load_explicit(&board->slots, memory_order_relaxed); i++) {
        const struct slot *slot = &board->slot[i];
        unsigned count = atomic_load_explicit(&slot->connections, memory_order_relaxed);
        unsigned state = atomic_load_explicit(&slot->state, memory_order_relaxed);
        if (count + count / 4 + 1 < own && (state == SLOT_IDLE || (state == SLOT_BUSY && !idle)))
            return true;
    }
    return false;
}

/*
 * A kept connection stays with its worker, so new ones must not all go to who wakes first. A worker that keeps clearly
 * more than another watches plainly: the kernel wakes it and one of those who watch exclusively, and it leaves the new
 * connection to an idle one for a moment. Otherwise all watch exclusively: one is woken, and takes it.
 */
static void choose_exclusive(struct server *server)
{
    bool keeps = server->intake.connections.waiting[WAIT_IDLE].first != NULL;
    bool exclusive = !keeps || !another_has_fewer(server, false);

    if (exclusive == server->exclusive || server->intake.draining || server->pause_until_ns != 0)
        return;
    server->exclusive = exclusive;
    for (size_t i = 0; i < server->listener_count; i++)
        if (server->listeners[i].watched) {
            unwatch_listener(server, &server->listeners[i]);
            watch_listener(server, &server->listeners[i]);
        }
}

static bool give_way(struct server *server)
{
    if (server->exclusive || !another_has_fewer(server, true)) {
        server->giving_way_ns = 0;
        return false;
    }
    if (server->giving_way_ns == 0)
        server->giving_way_ns = server->intake.now_ns;
    if (server->intake.now_ns - server->giving_way_ns > GIVE_WAY_NS) {
        server->giving_way_ns = 0;
        return false;
    }
    sched_yield();
    return true;
}

static uint64_t requests_served(const struct server *server)
{
    return atomic_load_explicit(&server->options->slot->accepted, memory_order_relaxed);
}

/* The DRAIN message may still wait in the channel while connections are accepted one after the other. */
static bool may_accept(const struct server *server)
{
    return !server->ordered && atomic_load_explicit(&server->options->slot->drain, memory_order_acquire) == 0;
}

/*
 * A connection that woke this worker woke no other: it is taken even when the order to drain has come since. (While the
 * worker has been idle, that is: the supervisor waits until an idle worker is seen to drain, but not for a busy one.)
 */
static bool must_accept(const struct server *server)
{
    return server->woken_free && requests_served(server) == server->served_before;
}

/* Goes on without a look at epoll only while connections are closed again: kept ones are for all workers. */
static void accept_ready(struct server *server)
{
    bool any = false;

    for (size_t i = 0; i < server->listener_count; i++) {
        struct listener_watch *listener = &server->listeners[i];
        bool more = listener->ready && !give_way(server);

        any = any || listener->ready;
        for (int round = 0; more && round < ACCEPT_ROUNDS; round++) {
            if (!may_accept(server) && (round > 0 || !must_accept(server)))
                break;
            more = accept_one(server, listener) == ACCEPTED_DONE && has_room(server);
            quota_announce(&server->intake.quota);
        }
        listener->ready = false;
    }
    server->accepting = any;
    if (!any)
        server->giving_way_ns = 0;
}

/* The end */

/* At most one full queue of each listener, or a busy front end would never let us go. */
static void take_backlog(struct server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        for (int left = server->options->pool->socket.backlog; left > 0; left--)
            if (accept_one(server, &server->listeners[i]) == ACCEPTED_NONE)
                break;
}

static void drain(struct server *server, int64_t deadline_ns, bool with_backlog)
{
    if (deadline_ns > 0 && (server->drain_deadline_ns == 0 || deadline_ns < server->drain_deadline_ns))
        server->drain_deadline_ns = deadline_ns;
    if (server->intake.draining)
        return;
    server->intake.draining = true;
    atomic_store_explicit(&server->options->slot->state, SLOT_DRAINING, memory_order_relaxed);
    title_state(slot_state_name(SLOT_DRAINING));
    if (with_backlog)
        take_backlog(server);
    for (size_t i = 0; i < server->listener_count; i++)
        unwatch_listener(server, &server->listeners[i]);
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

static bool is_finished(const struct server *server)
{
    return server->intake.draining &&
           (server->intake.connections.count == 0 ||
            (server->drain_deadline_ns > 0 && server->intake.now_ns >= server->drain_deadline_ns));
}

/* The channel */

static void answer_measure(const struct server *server)
{
    struct message message = { .type = MESSAGE_MEASURED };

    if (memory_measure(0, region_bounds.start, region_bounds.end, &message.measured) == -1)
        log_warn("memory can't be measured");
    else if (channel_send(server->options->channel, &message, NULL, 0) == -1)
        log_warn("a measurement can't be sent");
}

static void receive_message(struct server *server)
{
    struct message message;
    int descriptors[CHANNEL_DESCRIPTORS_MAX];
    int result = channel_receive(server->options->channel, &message, descriptors);

    if (result == 0 || (result == -1 && errno != EAGAIN && errno != EBADMSG)) {
        /* The supervisor is gone. */
        epoll_ctl(server->epoll_fd, EPOLL_CTL_DEL, server->options->channel, NULL);
        drain_by_own_timeout(server);
        return;
    }
    if (result == -1)
        return;
    switch (message.type) {
    case MESSAGE_DRAIN:
        server->ordered = true;
        server->order_deadline_ns = message.drain.deadline_ns;
        server->order_backlog = message.drain.take_backlog != 0;
        break;
    case MESSAGE_MEASURE: answer_measure(server); break;
    case MESSAGE_ACCESS_LOG: access_log_replace(descriptors[0]); break;
    default: log_warnx("an unexpected message: %s", message_name(message.type)); break;
    }
}

/* The loop */

static void handle_event(struct server *server, void *subject)
{
    enum event_source source = *(enum event_source *)subject;

    if (source == SOURCE_LISTENER) {
        ((struct listener_watch *)subject)->ready = true; /* after the connections that are already ours */
    } else if (source == SOURCE_CHANNEL) {
        receive_message(server);
    } else {
        struct connection *connection = subject;
        if (connection->fd != -1) /* else closed earlier in this round */
            intake_receive(&server->intake, connection);
        quota_announce(&server->intake.quota);
    }
}

static int wait_ms(const struct server *server)
{
    int64_t deadline_ns = connection_next_deadline(&server->intake.connections);
    const int64_t others[] = {
        server->drain_deadline_ns,
        server->intake.draining ? 0 : server->pause_until_ns,
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
    if (!server->accepting)
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
    if (count == 0)
        count = epoll_pwait(server->epoll_fd, events, EVENTS, wait_ms(server), open_mask);
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

    server->served_before = requests_served(server);
    server->woken_free = may_accept(server);
    int count = wait_for_events(server, events, open_mask);
    if (terminate)
        drain_by_own_timeout(server);
    for (int i = 0; i < count; i++)
        handle_event(server, events[i].data.ptr);
    if (!server->intake.draining)
        accept_ready(server);
    if (server->ordered)
        drain(server, server->order_deadline_ns, server->order_backlog);
    server->ordered = false;
    intake_expire(&server->intake);
    leave_when_spent(server);
    withhold(server);
    if (requests_served(server) != server->served_before)
        collector_after_request(&server->collector, server->intake.now_ns);
    resume_listening(server);
    choose_exclusive(server);
    connection_release(&server->intake.connections);
}

static void server_open(struct server *server, const struct server_options *options)
{
    const struct config_pool *pool = options->pool;
    const char *wrong = NULL;

    *server = (struct server){
        .options = options,
        .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
        .allow = allow_list_new(pool->socket.allow.items, pool->socket.allow.count, &wrong),
        .listeners = xcalloc(options->listener_count, sizeof *server->listeners),
        .listener_count = options->listener_count,
        .channel_source = SOURCE_CHANNEL,
        .exclusive = true,
    };
    if (server->allow == NULL)
        fatalx("socket.allow: \"%s\" is neither an address nor a prefix", wrong);
    if (server->epoll_fd == -1)
        fatal("epoll_create1");
    intake_open(&server->intake, server->epoll_fd, options->channel, pool, options->apps, options->slot);
    collector_open(&server->collector, pool, options->apps, options->slot);

    struct epoll_event event = { .events = EPOLLIN, .data.ptr = &server->channel_source };
    if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, options->channel, &event) == -1)
        fatal("the channel can't be watched");
    for (size_t i = 0; i < options->listener_count; i++) {
        server->listeners[i] = (struct listener_watch){
            .source = SOURCE_LISTENER,
            .fd = options->listeners[i].fd,
            .with_address = options->listeners[i].type != LISTEN_UNIX,
        };
        watch_listener(server, &server->listeners[i]);
    }
}

static void server_close(struct server *server)
{
    intake_close(&server->intake);
    close(server->epoll_fd);
    allow_list_free(server->allow);
    free(server->listeners);
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

void server_run(const struct server_options *options)
{
    struct message ready = { .type = MESSAGE_READY, .ready = { .slot = options->slot_index } };
    struct server server;
    sigset_t open_mask;

    take_signals(&open_mask);
    server_open(&server, options);
    atomic_store_explicit(&options->slot->request_fd, -1, memory_order_relaxed);
    atomic_store_explicit(&options->slot->app, SCOREBOARD_NO_APP, memory_order_relaxed);
    atomic_store_explicit(&options->slot->ready_ns, server.intake.now_ns, memory_order_relaxed);
    atomic_store_explicit(&options->slot->state, SLOT_IDLE, memory_order_release);
    title_state(slot_state_name(SLOT_IDLE));
    if (channel_send(options->channel, &ready, NULL, 0) == -1)
        log_warn("the supervisor can't be told that this worker is ready");
    quota_announce(&server.intake.quota);
    while (!is_finished(&server))
        run_round(&server, &open_mask);
    server_close(&server);
}
