#include "responder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fcgi_record.h"
#include "handed.h"
#include "log.h"
#include "xalloc.h"

#define ACCEPTS_A_TURN 16
#define PIECE_SIZE 16384
/* After accept(2) has failed. */
#define PAUSE_NS (100 * CLOCK_NS_PER_MS)

struct responder_listener {
    struct responder *responder;
    struct loop_source source;
    bool is_queue;
};

int responder_descriptor(const char *text, const char *command)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (end == text || *end || value < 0 || value > 1 << 20 || fcntl((int)value, F_SETFD, FD_CLOEXEC) < 0)
        fatalx("cowherd %s is started by cowherd, not by hand", command);
    return (int)value;
}

static void listen_to_all(struct responder *responder)
{
    for (size_t i = 0; i < responder->listener_count && !responder->listening; i++)
        if (loop_add(responder->loop, &responder->listeners[i].source, EPOLLIN) < 0)
            fatal("epoll");
    responder->listening = true;
}

static void listen_to_none(struct responder *responder)
{
    for (size_t i = 0; i < responder->listener_count; i++)
        loop_remove(responder->loop, &responder->listeners[i].source);
    responder->listening = false;
}

static bool is_open(const struct responder_client *client)
{
    return client->source.fd >= 0;
}

static void set_deadline(struct responder_client *client, int64_t patience_ns)
{
    loop_timer_set(client->responder->loop, &client->deadline, clock_monotonic_ns() + patience_ns);
}

static void client_close(struct responder_client *client)
{
    struct responder *responder = client->responder;

    loop_remove(responder->loop, &client->source);
    loop_timer_clear(responder->loop, &client->deadline);
    close(client->source.fd);
    client->source.fd = -1;
    client->waiting = false;
    strbuf_free(&client->params);
    strbuf_free(&client->answer);
    responder->client_count--;
    if (responder->leaving && responder->client_count == 0)
        loop_stop(responder->loop);
    else if (!responder->leaving && !responder->listening && !loop_timer_is_set(&responder->again))
        listen_to_all(responder);
}

/* Sends what the socket takes: true when all has left. The client is closed when it is gone, or its request over. */
static bool client_send(struct responder_client *client)
{
    struct loop *loop = client->responder->loop;

    while (client->answer.length > 0) {
        ssize_t sent = send(client->source.fd, client->answer.data, client->answer.length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            loop_modify(loop, &client->source, client->over ? EPOLLOUT : EPOLLIN | EPOLLOUT);
            return false;
        }
        if (sent < 0) {
            client_close(client);
            return false;
        }
        strbuf_consume(&client->answer, (size_t)sent);
    }
    if (client->over)
        client_close(client);
    else
        loop_modify(loop, &client->source, EPOLLIN);
    return true;
}

bool responder_answered(struct responder_client *client)
{
    client->waiting = false;
    /* Open until the body has come: some clients take an end before that for a failure. */
    set_deadline(client, client->responder->answer_ns);
    return client_send(client);
}

static void ask(struct responder_client *client)
{
    client->responder->asked(client);
    if (client->waiting)
        set_deadline(client, client->responder->answer_ns);
}

/* GET_VALUES: no values are told; any other: not known. */
static void answer_management(struct responder_client *client)
{
    uint8_t type = client->request.type;

    if (client->responder->slot)
        scoreboard_count(&client->responder->slot->management);
    if (client->request.answered)
        return;
    if (type == FCGI_RECORD_GET_VALUES)
        fcgi_record_append(&client->answer, FCGI_RECORD_GET_VALUES_RESULT, 0, "", 0);
    else
        fcgi_record_append(&client->answer, FCGI_RECORD_UNKNOWN_TYPE, 0, (uint8_t[8]){ type }, 8);
    client_send(client);
}

/* Its request has ended, or was given up before it was whole. */
static void end(struct responder_client *client)
{
    client->over = true;
    if (!client->request.answered)
        client_close(client);
    else if (!client->waiting)
        client_send(client);
    else
        loop_modify(client->responder->loop, &client->source, 0); /* a hang-up is told all the same */
}

static void refuse(struct responder_client *client)
{
    if (client->responder->slot)
        scoreboard_count(&client->responder->slot->malformed);
    client_close(client);
}

/* What has come; the client may be closed after it. */
static void take(struct responder_client *client, const uint8_t *bytes, size_t length)
{
    for (size_t at = 0, used = 0; at < length && is_open(client) && !client->over; at += used) {
        switch (responder_request_feed(&client->request, bytes + at, length - at, client->responder->head_max, &used)) {
        case RESPONDER_MORE: break;
        case RESPONDER_ANSWER: ask(client); break;
        case RESPONDER_MANAGEMENT: answer_management(client); break;
        case RESPONDER_OVER: end(client); break;
        case RESPONDER_MALFORMED: refuse(client); break;
        }
    }
}

static void client_ready(void *data, uint32_t events)
{
    struct responder_client *client = data;
    uint8_t bytes[PIECE_SIZE];

    if (client->over && (events & (EPOLLERR | EPOLLHUP))) {
        client_close(client);
        return;
    }
    if (client->over || !(events & (EPOLLIN | EPOLLERR | EPOLLHUP))) {
        client_send(client);
        return;
    }
    ssize_t got = recv(client->source.fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0)
        client_close(client);
    else
        take(client, bytes, (size_t)got);
}

static void client_expired(void *data)
{
    struct responder_client *client = data;

    if (client->waiting) {
        client->responder->late(client);
        return;
    }
    if (client->responder->slot && !client->request.answered)
        scoreboard_count(&client->responder->slot->late);
    client_close(client);
}

static struct responder_client *client_open(struct responder *responder, int fd)
{
    struct responder_client *client = responder->clients;

    while (is_open(client))
        client++;
    *client = (struct responder_client){
        .responder = responder,
        .source = { .fd = fd, .ready = client_ready, .data = client },
        .deadline = { .expired = client_expired, .data = client },
    };
    client->request.params = responder->keeps_params ? &client->params : NULL;
    responder->client_count++;
    if (loop_add(responder->loop, &client->source, EPOLLIN) < 0)
        client_close(client);
    else
        set_deadline(client, responder->head_ns);
    return client;
}

static int accept_from(const struct responder *responder, int listener)
{
    struct sockaddr_storage address = { 0 };
    socklen_t length = sizeof address;
    int fd = accept4(listener, (struct sockaddr *)(void *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0 || !responder->allow ||
        allow_list_matches(responder->allow, (const struct sockaddr *)(const void *)&address))
        return fd;
    close(fd);
    errno = ECONNABORTED;
    return -1;
}

/* false: there is nobody more to take now. */
static bool accept_one(const struct responder_listener *listener)
{
    struct responder *responder = listener->responder;
    struct handed handed;
    size_t length = 0;

    if (responder->client_count == RESPONDER_CLIENTS_MAX) {
        listen_to_none(responder);
        return false;
    }
    int fd = listener->is_queue
                 ? handed_receive(listener->source.fd, &handed, responder->room, responder->room_size, &length)
                 : accept_from(responder, listener->source.fd);
    if (fd < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED && !responder->leaving) {
            listen_to_none(responder);
            loop_timer_set(responder->loop, &responder->again, clock_monotonic_ns() + PAUSE_NS);
        }
        return errno == ECONNABORTED || errno == EINTR;
    }
    struct responder_client *client = client_open(responder, fd);
    take(client, responder->room, length);
    return true;
}

static void listener_ready(void *data, uint32_t events)
{
    const struct responder_listener *listener = data;

    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN && accept_one(listener); i++)
        continue;
}

static void again_expired(void *data)
{
    struct responder *responder = data;

    if (responder->leaving)
        loop_stop(responder->loop);
    else
        listen_to_all(responder);
}

static void add(struct responder *responder, int fd, bool is_queue)
{
    size_t count = ++responder->listener_count;

    responder->listeners = xreallocarray(responder->listeners, count, sizeof *responder->listeners);
    responder->listeners[count - 1] = (struct responder_listener){
        .responder = responder,
        .source = { .fd = fd, .ready = listener_ready },
        .is_queue = is_queue,
    };
}

void responder_add_listener(struct responder *responder, int fd)
{
    add(responder, fd, false);
}

void responder_add_queue(struct responder *responder, int fd, size_t room)
{
    add(responder, fd, true);
    responder->room = xreallocarray(responder->room, room, 1);
    responder->room_size = room;
}

void responder_open(struct responder *responder)
{
    responder->again = (struct loop_timer){ .expired = again_expired, .data = responder };
    for (size_t i = 0; i < responder->listener_count; i++)
        responder->listeners[i].source.data = &responder->listeners[i];
    for (size_t i = 0; i < RESPONDER_CLIENTS_MAX; i++)
        responder->clients[i].source.fd = -1;
    listen_to_all(responder);
}

struct responder_client *responder_next_waiting(struct responder *responder, struct responder_client *after)
{
    struct responder_client *client = after ? after + 1 : responder->clients;

    for (; client < responder->clients + RESPONDER_CLIENTS_MAX; client++)
        if (is_open(client) && client->waiting)
            return client;
    return NULL;
}

void responder_leave(struct responder *responder, bool take_backlog, int64_t within_ns)
{
    responder->leaving = true;
    for (size_t i = 0; i < responder->listener_count && take_backlog; i++)
        while (accept_one(&responder->listeners[i]))
            continue;
    listen_to_none(responder);
    loop_timer_clear(responder->loop, &responder->again);
    if (within_ns > 0)
        loop_timer_set(responder->loop, &responder->again, clock_monotonic_ns() + within_ns);
    if (responder->client_count == 0)
        loop_stop(responder->loop);
}

void responder_close(struct responder *responder)
{
    for (size_t i = 0; i < RESPONDER_CLIENTS_MAX; i++)
        if (is_open(&responder->clients[i]))
            client_close(&responder->clients[i]);
    listen_to_none(responder);
    loop_timer_clear(responder->loop, &responder->again);
    free(responder->listeners);
    free(responder->room);
}
