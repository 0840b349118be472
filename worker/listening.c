#include "listening.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "allow.h"
#include "clock.h"
#include "log.h"
#include "server.h"
#include "xalloc.h"

#define ACCEPT_ROUNDS 16   /* new connections served before the others are looked at again */
#define GIVE_WAY_NS 100000 /* how long a less busy worker is given to take a connection */
#define PAUSE_NS (100 * CLOCK_NS_PER_MS)

struct listener_watch {
    enum event_source source;
    int fd;
    bool with_address; /* TCP, or inherited and maybe TCP */
    bool watched;
    bool ready;
};

/* Watching */

static void watch_listener(struct listening *listening, struct listener_watch *listener)
{
    struct epoll_event event = { .events = EPOLLIN | (listening->exclusive ? EPOLLEXCLUSIVE : 0),
                                 .data.ptr = listener };

    if (!listening->started || listener->watched)
        return;
    listener->watched = epoll_ctl(listening->epoll_fd, EPOLL_CTL_ADD, listener->fd, &event) == 0;
    if (!listener->watched && errno != EPERM) /* that is no socket any more (orphaned.h) */
        fatal("a listening socket can't be watched");
}

static void unwatch_listener(struct listening *listening, struct listener_watch *listener)
{
    if (listener->watched)
        epoll_ctl(listening->epoll_fd, EPOLL_CTL_DEL, listener->fd, NULL);
    listener->watched = false;
    listener->ready = false;
}

/* No more connections for a while: what is still in the queue waits there, or goes to another worker. */
static void pause_listening(struct listening *listening)
{
    for (size_t i = 0; i < listening->count; i++)
        unwatch_listener(listening, &listening->watches[i]);
    listening->pause_until_ns = listening->intake->now_ns + PAUSE_NS;
    listening->pause_count = listening->intake->connections.count;
}

static void resume_listening(struct listening *listening)
{
    if (listening->pause_until_ns == 0 || listening->intake->draining)
        return;
    if (listening->intake->connections.count >= listening->pause_count &&
        listening->intake->now_ns < listening->pause_until_ns)
        return;
    listening->pause_until_ns = 0;
    for (size_t i = 0; i < listening->count && !listening->withheld; i++)
        watch_listener(listening, &listening->watches[i]);
}

static bool has_room_beside(const struct listening *listening, unsigned expecting)
{
    const struct connection_table *connections = &listening->intake->connections;

    return quota_has_room(&listening->intake->quota,
                          expecting + connections->waiting[WAIT_HEAD].count + connections->waiting[WAIT_BODY].count);
}

static bool has_room(const struct listening *listening)
{
    return has_room_beside(listening, 0);
}

/*
 * A worker that sleeps with its listeners watched can take one connection more: who wakes it for one wakes nobody else.
 * So they are given up before that, and taken up again when a connection closes without a request.
 */
static void withhold(struct listening *listening)
{
    bool withheld = !has_room(listening);

    if (withheld == listening->withheld || listening->intake->draining)
        return;
    listening->withheld = withheld;
    for (size_t i = 0; i < listening->count; i++)
        if (withheld)
            unwatch_listener(listening, &listening->watches[i]);
        else if (listening->pause_until_ns == 0)
            watch_listener(listening, &listening->watches[i]);
}

/* Is there a worker with clearly fewer connections (and nothing to do)? */
static bool another_has_fewer(const struct listening *listening, bool idle)
{
    const struct scoreboard *board = listening->options->board;
    unsigned own = listening->intake->connections.count;

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
 * connection to an idle one for a moment. Otherwise all watch exclusively: one is woken, and takes it. (That would be
 * the one who waits for longest, and never a worker that traces; so it watches plainly, and gives no way.)
 */
static void choose_exclusive(struct listening *listening)
{
    bool keeps = listening->intake->connections.waiting[WAIT_IDLE].first != NULL;
    bool exclusive = !listening->options->traced && (!keeps || !another_has_fewer(listening, false));

    if (exclusive == listening->exclusive || listening->intake->draining || listening->pause_until_ns != 0)
        return;
    listening->exclusive = exclusive;
    for (size_t i = 0; i < listening->count; i++)
        if (listening->watches[i].watched) {
            unwatch_listener(listening, &listening->watches[i]);
            watch_listener(listening, &listening->watches[i]);
        }
}

/* Accepting */

static bool has_request(const struct connection *connection)
{
    return recv(connection->fd, &(char){ 0 }, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* The connection that was idle for longest gives way. false: none is idle; no more are accepted for now. */
static bool make_room(struct listening *listening)
{
    struct connection *idle = listening->intake->connections.waiting[WAIT_IDLE].first;

    while (idle != NULL && has_request(idle))
        idle = idle->next;
    if (idle != NULL)
        connection_close(&listening->intake->connections, idle);
    else
        pause_listening(listening);
    return idle != NULL;
}

enum accepted {
    ACCEPTED_NONE, /* there was none, or no room */
    ACCEPTED_DONE, /* it was served and is closed again */
    ACCEPTED_OPEN,
};

/* The last request came in the same turn, and what woke this worker has to wake another one. */
static bool is_for_others(const struct listening *listening)
{
    const struct server_options *options = listening->options;

    return !listening->intake->draining && listening->queue != NULL && !has_room(listening) &&
           scoreboard_others_take(options->board, options->slot);
}

/* This worker can have no more connections open, and what woke it woke none of those that can. */
static bool another_has_room(const struct listening *listening)
{
    const struct server_options *options = listening->options;

    return !listening->intake->draining && listening->queue != NULL &&
           scoreboard_another_has_room(options->board, options->slot);
}

/* The next one from other workers, which is not yet served. NULL: there is none, or none for this worker. */
static struct connection *take_given(struct listening *listening)
{
    const struct connection_table *connections = &listening->intake->connections;
    const struct server_options *options = listening->options;

    if (connections->count >= connections->limit && !make_room(listening)) {
        if (another_has_room(listening))
            intake_pass_on(listening->intake, options->handback);
        return NULL;
    }
    if (is_for_others(listening)) {
        intake_pass_on(listening->intake, options->handback);
        return NULL;
    }
    if (!has_room(listening))
        return NULL;
    errno = 0;
    struct connection *given = intake_take_given(listening->intake, options->handback);
    if (given == NULL && (errno == EMFILE || errno == ENFILE))
        make_room(listening); /* it stays there, and would be told of again and again */
    return given;
}

static bool admit(const struct listening *listening, int fd, const struct sockaddr *client)
{
    const int on = 1;

    if (!allow_list_matches(listening->allow, client)) {
        log_debug("a connection is refused: its address is not in socket.allow");
        return false;
    }
    if (client->sa_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return true;
}

static enum accepted accept_failed(struct listening *listening, struct listener_watch *listener)
{
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        make_room(listening);
    else if (errno == EINVAL)
        unwatch_listener(listening,
                         listener); /* shut down; anything else is about one connection, or none (accept(2)) */
    return ACCEPTED_NONE;
}

/* Accepts one connection and serves it when its request has come with it; or gives it to others. */
static enum accepted accept_one(struct listening *listening, struct listener_watch *listener, bool for_others)
{
    const struct connection_table *connections = &listening->intake->connections;
    bool full = !for_others && connections->count >= connections->limit;
    union {
        struct sockaddr any;
        struct sockaddr_storage storage;
    } client;
    socklen_t length = sizeof client;

    if (full && connections->waiting[WAIT_IDLE].first == NULL) {
        pause_listening(listening);
        if (!another_has_room(listening))
            return ACCEPTED_NONE;
        for_others = true;
    }

    int fd = accept4(listener->fd, listener->with_address ? &client.any : NULL, listener->with_address ? &length : NULL,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd == -1)
        return accept_failed(listening, listener);
    if (listener->with_address && !admit(listening, fd, &client.any)) {
        close(fd);
        return ACCEPTED_DONE;
    }
    if (for_others) {
        intake_accept_for_others(listening->intake, listening->options->handback, fd);
        return ACCEPTED_NONE;
    }
    if (full)
        make_room(listening);
    return intake_accept(listening->intake, fd) ? ACCEPTED_DONE : ACCEPTED_OPEN;
}

static bool give_way(struct listening *listening)
{
    if (listening->exclusive || listening->options->traced || !another_has_fewer(listening, true)) {
        listening->giving_way_ns = 0;
        return false;
    }
    if (listening->giving_way_ns == 0)
        listening->giving_way_ns = listening->intake->now_ns;
    if (listening->intake->now_ns - listening->giving_way_ns > GIVE_WAY_NS) {
        listening->giving_way_ns = 0;
        return false;
    }
    sched_yield();
    return true;
}

static uint64_t requests_served(const struct listening *listening)
{
    return atomic_load_explicit(&listening->options->slot->accepted, memory_order_relaxed);
}

bool listening_has_served(const struct listening *listening)
{
    return requests_served(listening) != listening->served_before;
}

/* The DRAIN message may still wait in the channel while connections are accepted one after the other. */
static bool is_told_to_drain(const struct listening *listening)
{
    return atomic_load(&listening->options->slot->drain) != 0;
}

void listening_begin(struct listening *listening)
{
    listening->woken = false;
    listening->served_before = requests_served(listening);
    listening->woken_free = !is_told_to_drain(listening);
}

void listening_ready(struct listening *listening, void *subject)
{
    ((struct listener_watch *)subject)->ready = listening->woken = true;
}

/*
 * A connection that woke this worker woke no other: it is taken even when the order to drain has come since. (While the
 * worker has been idle, that is: the supervisor waits until an idle worker is seen to drain, but not for a busy one.)
 */
static bool must_accept(const struct listening *listening)
{
    return listening->woken_free && !listening_has_served(listening);
}

static bool may_take(const struct listening *listening, bool ordered, int round)
{
    return (!ordered && !is_told_to_drain(listening)) || (round == 0 && must_accept(listening));
}

/*
 * Goes on without a look at epoll only while connections are closed again: kept ones are for all workers. true: there
 * may be more.
 */
static bool accept_some(struct listening *listening, struct listener_watch *listener, bool ordered, int rounds)
{
    bool more = true;

    for (int round = 0; more && round < rounds && may_take(listening, ordered, round); round++) {
        /* Beyond the last request nobody but others is accepted for; without them, whoever comes next is told of it. */
        bool for_others = is_for_others(listening);
        if (!for_others && !has_room(listening))
            return false;
        more = accept_one(listening, listener, for_others) == ACCEPTED_DONE && has_room(listening);
        quota_announce(&listening->intake->quota);
    }
    return more;
}

/* What others have given is taken first and served last: meanwhile the lookout has it. */
static void accept_ready(struct listening *listening, bool ordered, int rounds)
{
    struct listener_watch *queue = listening->queue;
    struct connection *given = NULL;

    if (queue != NULL && queue->ready && !give_way(listening)) {
        queue->ready = false;
        given = may_take(listening, ordered, 0) ? take_given(listening) : NULL;
    }
    for (size_t i = 0; i < listening->options->listener_count; i++) {
        struct listener_watch *listener = &listening->watches[i];
        if (listener->ready && !give_way(listening))
            listener->ready = accept_some(listening, listener, ordered, rounds);
    }
    if (given != NULL && given->fd != -1) {
        intake_receive(listening->intake, given);
        quota_announce(&listening->intake->quota);
    }
}

void listening_accept_first(struct listening *listening, bool ordered, unsigned expecting)
{
    const struct connection_table *connections = &listening->intake->connections;

    bool slow = (listening->queue != NULL && listening->queue->ready) ||
                lookout_expects_slow(&listening->intake->lookout, listening->intake->now_ns);

    if (listening->woken && slow && connections->count < connections->limit && has_room_beside(listening, expecting))
        accept_ready(listening, ordered, 1);
}

void listening_accept(struct listening *listening, bool ordered)
{
    listening->accepting = listening->woken;
    if (!listening->woken) {
        listening->giving_way_ns = 0;
        return;
    }
    accept_ready(listening, ordered, ACCEPT_ROUNDS);
    for (size_t i = 0; i < listening->count; i++)
        listening->watches[i].ready = false;
}

void listening_settle(struct listening *listening)
{
    withhold(listening);
    resume_listening(listening);
    choose_exclusive(listening);
}

int64_t listening_deadline(const struct listening *listening)
{
    return listening->intake->draining ? 0 : listening->pause_until_ns;
}

static void accept_backlog(struct listening *listening)
{
    for (size_t i = 0; i < listening->options->listener_count; i++)
        for (int left = listening->options->pool->socket.backlog; left > 0; left--)
            if (accept_one(listening, &listening->watches[i], false) == ACCEPTED_NONE)
                break;
}

void listening_take_given(struct listening *listening)
{
    const struct server_options *options = listening->options;
    struct connection *given;

    while (listening->queue != NULL && !scoreboard_others_take(options->board, options->slot) &&
           (given = take_given(listening)) != NULL)
        intake_receive(listening->intake, given);
}

/* What woke this worker, and was not for it, has to wake another one. */
static void pass_on(struct listening *listening)
{
    const struct server_options *options = listening->options;

    if (listening->queue == NULL || !scoreboard_others_take(options->board, options->slot))
        return;
    for (size_t i = 0; listening->woken && i < options->listener_count; i++)
        accept_one(listening, &listening->watches[i], true);
    intake_pass_on(listening->intake, options->handback);
}

void listening_stop(struct listening *listening, bool take_backlog)
{
    if (take_backlog)
        accept_backlog(listening);
    for (size_t i = 0; i < listening->count; i++)
        unwatch_listener(listening, &listening->watches[i]);
    pass_on(listening);
}

void listening_start(struct listening *listening)
{
    listening->started = !is_told_to_drain(listening); /* it would take nothing, and be woken in the place of another */
    for (size_t i = 0; i < listening->count && !listening->withheld && listening->pause_until_ns == 0; i++)
        watch_listener(listening, &listening->watches[i]);
}

void listening_open(struct listening *listening, int epoll_fd, struct intake *intake,
                    const struct server_options *options)
{
    const struct config_strings *allow = &options->pool->socket.allow;
    const char *wrong = NULL;

    *listening = (struct listening){
        .options = options,
        .intake = intake,
        .epoll_fd = epoll_fd,
        .allow = allow_list_new(allow->items, allow->count, &wrong),
        .watches = xcalloc(options->listener_count + 1, sizeof *listening->watches),
        .count = options->listener_count,
        .exclusive = !options->traced,
    };
    if (listening->allow == NULL)
        fatalx("socket.allow: \"%s\" is neither an address nor a prefix", wrong);
    for (size_t i = 0; i < options->listener_count; i++) {
        listening->watches[i] = (struct listener_watch){
            .source = SOURCE_LISTENER,
            .fd = options->listeners[i].fd,
            .with_address = options->listeners[i].type != LISTEN_UNIX,
        };
    }
    if (options->handback != -1) {
        listening->queue = &listening->watches[listening->count++];
        *listening->queue = (struct listener_watch){ .source = SOURCE_LISTENER, .fd = options->handback };
    }
}

void listening_close(struct listening *listening)
{
    allow_list_free(listening->allow);
    free(listening->watches);
}
