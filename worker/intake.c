#include "intake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "clock.h"
#include "deposit.h"
#include "fcgi.h"
#include "handback.h"
#include "handed.h"
#include "log.h"
#include "time_out.h"
#include "unbegun.h"
#include "xalloc.h"

#define SAVED_MAX (16 * 1024 * 1024) /* for unfinished requests, all connections together */
#define DESCRIPTORS_SPARED 64        /* for everything that is not a connection */
#define CONNECTIONS_MAX 65536
#define DRAIN_HEAD_NS CLOCK_NS_PER_S /* what an unfinished head has left when the worker is to leave */

static void close_late(struct intake *intake, struct connection *connection)
{
    dispatch_count(&intake->dispatch.slot->late);
    connection_close(&intake->connections, connection);
}

/*
 * Serves the request at *bytes. true: the connection is kept, and *bytes and *length are what came behind the request.
 */
static bool serve(struct intake *intake, struct connection *connection, const uint8_t **bytes, size_t *length,
                  const struct gate_result *gate)
{
    struct connection_table *connections = &intake->connections;
    const struct config_pool *pool = intake->dispatch.pool;
    bool more = gate->request_length > 0 && *length > gate->request_length;
    bool leaving = intake->draining || !quota_has_room(&intake->quota, 1);
    int64_t body_deadline_ns = pool->timeouts.body_ns > 0 ? intake->now_ns + pool->timeouts.body_ns : 0;
    struct fcgi_remainder remainder;

    if (connection->wait == WAIT_BODY)
        body_deadline_ns = connection->deadline_ns;
    connection_take(connections, connection);
    intake->dispatch.fd = connection->fd;
    intake->dispatch.gate = gate;

    struct fcgi_call call = {
        .fd = connection->fd,
        .bytes = *bytes,
        .length = *length,
        .gate = gate,
        .received_ns = connection->received_ns,
        .body_deadline_ns = body_deadline_ns,
        .write_wait_ns = pool->timeouts.body_ns,
        .give_up = time_out_is_due,
        .allow_keep = !intake->dispatch.late && (!leaving || more),
        .bytes_out = &intake->dispatch.slot->request_bytes_out,
        .answer = dispatch_answer,
        .finished = dispatch_finished,
        .data = &intake->dispatch,
    };
    lookout_begin(&intake->lookout);
    enum fcgi_after after = fcgi_serve(&call, &remainder);
    int64_t began_ns = intake->now_ns;
    intake->now_ns = clock_monotonic_ns();
    lookout_end(&intake->lookout, began_ns, intake->now_ns);

    if (after == FCGI_CLOSE) {
        connection_close(connections, connection);
        return false;
    }
    if (after == FCGI_LINGER) {
        shutdown(connection->fd, SHUT_WR);
        connection_await(connections, connection, WAIT_LINGER, intake->now_ns);
        return false;
    }
    if (remainder.rest != NULL) {
        memcpy(intake->scratch, remainder.rest, remainder.rest_length);
        free(remainder.rest);
        *bytes = intake->scratch;
        *length = remainder.rest_length;
    } else {
        *bytes += remainder.used;
        *length -= remainder.used;
    }
    connection->received_ns = intake->now_ns;
    return true;
}

/* What cowherd answers by itself is short: a client whose socket is full of it is not worth waiting for. */
static bool answer_record(struct intake *intake, const struct connection *connection, const uint8_t *bytes,
                          enum gate_verdict verdict, const struct gate_result *gate)
{
    struct strbuf answer = { 0 };

    if (verdict == GATE_MANAGEMENT)
        dispatch_count(&intake->dispatch.slot->management);
    gate_answer(bytes, verdict, gate, intake->connections.limit, &answer);
    ssize_t sent = send(connection->fd, answer.data, answer.length, MSG_NOSIGNAL);
    bool whole = sent >= 0 && (size_t)sent == answer.length;
    strbuf_free(&answer);
    return whole && !gate->close;
}

static void save_partial(struct intake *intake, struct connection *connection, const uint8_t *bytes, size_t length,
                         enum connection_wait wait)
{
    struct connection_table *connections = &intake->connections;

    connection_save(connections, connection, bytes, length);
    if (!connection_await(connections, connection, wait, intake->now_ns))
        return;
    if (connections->saved_bytes > SAVED_MAX)
        close_late(intake, connections->waiting[WAIT_BODY].first != NULL ? connections->waiting[WAIT_BODY].first
                                                                         : connections->waiting[WAIT_HEAD].first);
}

/*
 * Looks at the first `length` bytes of the scratch buffer. Requests that stand there one behind the other are served
 * before any other connection; no front end sends them so.
 */
static void inspect(struct intake *intake, struct connection *connection, size_t length)
{
    const uint8_t *bytes = intake->scratch;

    while (length > 0) {
        struct gate_result gate;
        enum gate_verdict verdict = gate_inspect(bytes, length, &intake->limits, &gate);

        switch (verdict) {
        case GATE_READY:
            if (!serve(intake, connection, &bytes, &length, &gate))
                return;
            continue;
        case GATE_PARTIAL:
            save_partial(intake, connection, bytes, length, gate.head_length > 0 ? WAIT_BODY : WAIT_HEAD);
            return;
        case GATE_MANAGEMENT:
        case GATE_REFUSED:
            if (!answer_record(intake, connection, bytes, verdict, &gate)) {
                connection_close(&intake->connections, connection);
                return;
            }
            break;
        case GATE_STALE: break;
        case GATE_MALFORMED:
        case GATE_TOO_LARGE:
            log_debug("a connection is closed: %s", verdict == GATE_MALFORMED ? gate.reason : "its head is too large");
            dispatch_count(&intake->dispatch.slot->malformed);
            connection_close(&intake->connections, connection);
            return;
        }
        bytes += gate.consumed;
        length -= gate.consumed;
    }
    connection->received_ns = 0;
    if (intake->draining)
        connection_close(&intake->connections, connection);
    else
        connection_await(&intake->connections, connection, WAIT_IDLE, intake->now_ns);
}

static void discard(struct intake *intake, struct connection *connection)
{
    ssize_t count = recv(connection->fd, intake->scratch, intake->scratch_size, 0);

    if (count == 0 || (count == -1 && errno != EAGAIN && errno != EINTR))
        connection_close(&intake->connections, connection);
}

static void receive(struct intake *intake, struct connection *connection)
{
    size_t have = connection->saved_length;

    if (connection->wait == WAIT_LINGER) {
        discard(intake, connection);
        return;
    }
    if (have > 0)
        memcpy(intake->scratch, connection->saved, have);

    connection_begin(&intake->connections, connection);
    if (intake->connections.exposed > 0)
        deposit_exposed(
            &intake->connections); /* if the worker is killed from here on, this one is lost, and no other */
    ssize_t count = recv(connection->fd, intake->scratch + have, intake->scratch_size - have, 0);
    if (count > 0) {
        if (connection->received_ns == 0)
            connection->received_ns = intake->now_ns;
        connection_save(&intake->connections, connection, NULL, 0);
        inspect(intake, connection, have + (size_t)count);
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR) ||
               (intake->draining && connection->wait == WAIT_IDLE)) {
        connection_close(&intake->connections, connection);
    } else {
        connection_unbegin(&intake->connections, connection);
        if (connection->wait == WAIT_NOTHING)
            connection_await(&intake->connections, connection, WAIT_HEAD, intake->now_ns);
    }
}

void intake_receive(struct intake *intake, struct connection *connection)
{
    unbegun_set_in_hand(connection->fd);
    receive(intake, connection);
    unbegun_set_in_hand(-1);
}

/* A small body that did not come in time: its head is whole, so there is someone to answer to. */
static void answer_late_body(struct intake *intake, struct connection *connection)
{
    const struct gate_limits limits = { .head = intake->limits.head, .small_body = 0 };
    const uint8_t *bytes = intake->scratch;
    size_t length = connection->saved_length;
    struct gate_result gate;

    memcpy(intake->scratch, connection->saved, length);
    connection_save(&intake->connections, connection, NULL, 0);
    if (gate_inspect(bytes, length, &limits, &gate) != GATE_READY) {
        connection_close(&intake->connections, connection);
        return;
    }
    intake->dispatch.late = true;
    serve(intake, connection, &bytes, &length, &gate);
    intake->dispatch.late = false;
}

void intake_expire(struct intake *intake)
{
    struct connection *connection;

    while ((connection = connection_expired(&intake->connections, intake->now_ns)) != NULL) {
        if (connection->wait == WAIT_BODY)
            answer_late_body(intake, connection);
        else if (connection->wait == WAIT_LINGER)
            connection_close(&intake->connections, connection);
        else
            close_late(intake, connection);
    }
}

bool intake_accept(struct intake *intake, int fd)
{
    struct connection *connection = connection_open(&intake->connections, fd);

    intake_receive(intake, connection);
    return connection->fd == -1;
}

void intake_accept_for_others(struct intake *intake, int queue, int fd)
{
    struct connection_table *connections = &intake->connections;
    struct connection *connection = connection_open(connections, fd);

    if (!connection_await(connections, connection, WAIT_HEAD, intake->now_ns))
        return;
    if (handback_give(queue, connections, connection))
        connection_forget_given(connections);
    else
        intake_receive(intake, connection);
}

void intake_take_over(struct intake *intake, int fd)
{
    struct connection *connection = connection_open(&intake->connections, fd);

    deposit_given(&intake->connections, connection);
    intake_receive(intake, connection);
}

void intake_pass_on(struct intake *intake, int queue)
{
    struct connection_table *connections = &intake->connections;
    struct connection *connection = handback_take(queue, connections, intake->scratch, intake->scratch_size);

    if (connection == NULL)
        return;
    if (handback_give(queue, connections, connection))
        connection_forget_given(connections);
    else
        intake_receive(intake, connection);
}

struct connection *intake_take_given(struct intake *intake, int queue)
{
    struct connection *connection = handback_take(queue, &intake->connections, intake->scratch, intake->scratch_size);

    if (connection != NULL && intake->draining)
        connection_hurry(&intake->connections, WAIT_HEAD, DRAIN_HEAD_NS, intake->now_ns);
    return connection;
}

void intake_rest(struct intake *intake)
{
    struct connection_table *connections = &intake->connections;

    if (connections->exposed > 0)
        deposit_exposed(connections);
    if (connections->decided > 0)
        deposit_sweep(connections);
}

void intake_drain(struct intake *intake)
{
    struct connection *idle;

    intake->draining = true;
    while ((idle = intake->connections.waiting[WAIT_IDLE].first) != NULL)
        intake_receive(intake, idle); /* it never stays idle while we drain */
    connection_hurry(&intake->connections, WAIT_HEAD, DRAIN_HEAD_NS, intake->now_ns);
}

static unsigned connection_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_cur > CONNECTIONS_MAX + DESCRIPTORS_SPARED)
        return CONNECTIONS_MAX;
    return limit.rlim_cur > 2 * DESCRIPTORS_SPARED ? (unsigned)limit.rlim_cur - DESCRIPTORS_SPARED
                                                   : (unsigned)limit.rlim_cur / 2;
}

void intake_open(struct intake *intake, int epoll_fd, int channel, int escrow, const struct config_pool *pool,
                 const struct app_set *apps, struct slot *slot)
{
    size_t small_body = pool->limits.small_body > 0 ? (size_t)pool->limits.small_body + HANDED_BODY_SLACK : 0;

    *intake = (struct intake){
        .limits = { .head = (size_t)pool->limits.header, .small_body = small_body },
        .quota = { .slot = slot, .channel = channel },
        .now_ns = clock_monotonic_ns(),
        .scratch_size = handed_room((size_t)pool->limits.header, (size_t)pool->limits.small_body),
        .connections = {
            .epoll_fd = epoll_fd,
            .timeouts_ns = {
                [WAIT_HEAD] = pool->timeouts.header_ns,
                [WAIT_BODY] = pool->timeouts.body_ns,
                [WAIT_IDLE] = pool->timeouts.idle_ns,
                [WAIT_LINGER] = pool->timeouts.header_ns > 0 ? pool->timeouts.header_ns : CLOCK_NS_PER_S,
            },
            .limit = connection_limit(),
            .published = &slot->connections,
            .escrow = escrow,
        },
    };
    intake->scratch = xmalloc(intake->scratch_size);
    atomic_store(&slot->connections_max, intake->connections.limit);
    dispatch_open(&intake->dispatch, pool, apps, slot);
}

void intake_close(struct intake *intake)
{
    struct connection_table *connections = &intake->connections;

    for (int wait = 0; wait < WAIT_KINDS; wait++)
        while (connections->waiting[wait].first != NULL)
            connection_close(connections, connections->waiting[wait].first);
    connection_release(connections);
    dispatch_close(&intake->dispatch);
    free(intake->scratch);
}
