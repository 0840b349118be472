#include "status_server_command.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "clock.h"
#include "fallback_request.h"
#include "fcgi_record.h"
#include "log.h"
#include "loop.h"
#include "status_request.h"
#include "strbuf.h"

#define CLIENTS_MAX 64
#define HEAD_MAX 65536
#define PIECE_SIZE 16384
#define NOBODY 65534
/* For the head, for the supervisor's answer, and for taking it. */
#define PATIENCE_NS (5 * CLOCK_NS_PER_S)
/* An answer of the supervisor's serves all who ask within this time: who asks without a pause gets no more of them. */
#define FRESH_NS (50 * CLOCK_NS_PER_MS)
/* Who would answer is gone. */
#define ALONE_NS CLOCK_NS_PER_S
/* After accept(2) has failed. */
#define PAUSE_NS (100 * CLOCK_NS_PER_MS)

struct server;

struct client {
    struct server *server;
    struct loop_source source; /* fd -1: nobody */
    struct loop_timer deadline;
    struct fallback_request records;
    struct strbuf params;
    struct status_request request;
    bool waiting; /* for the supervisor */
    bool over;    /* nothing more is to come from it */
    struct strbuf answer;
};

struct server {
    struct loop *loop;
    struct loop_source channel; /* fd -1: the supervisor is gone */
    struct loop_source listener;
    bool listening;
    struct loop_timer again; /* to listen again; when leaving: to be gone */
    bool asked;              /* the supervisor has not answered yet */
    struct {
        struct strbuf text;
        int64_t at_ns; /* 0: never */
    } known[STATUS_FORMATS];
    struct client clients[CLIENTS_MAX];
    unsigned client_count;
};

static void listen_again(struct server *server)
{
    if (!server->listening && loop_add(server->loop, &server->listener, EPOLLIN) < 0)
        fatal("epoll");
    server->listening = true;
}

static void listen_no_more(struct server *server)
{
    if (server->listening)
        loop_remove(server->loop, &server->listener);
    server->listening = false;
}

static bool leaves(const struct server *server)
{
    return server->channel.fd < 0;
}

static void client_close(struct client *client)
{
    struct server *server = client->server;

    loop_remove(server->loop, &client->source);
    loop_timer_clear(server->loop, &client->deadline);
    close(client->source.fd);
    client->source.fd = -1;
    strbuf_free(&client->params);
    strbuf_free(&client->answer);
    server->client_count--;
    if (leaves(server) && server->client_count == 0)
        loop_stop(server->loop);
    else if (!leaves(server) && !loop_timer_is_set(&server->again))
        listen_again(server);
}

/* Sends what the socket takes. Closed once all has left and the request has ended. */
static void client_send(struct client *client)
{
    while (client->answer.length > 0) {
        ssize_t sent = send(client->source.fd, client->answer.data, client->answer.length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            loop_modify(client->server->loop, &client->source, client->over ? EPOLLOUT : EPOLLIN | EPOLLOUT);
            return;
        }
        if (sent < 0) {
            client_close(client);
            return;
        }
        strbuf_consume(&client->answer, (size_t)sent);
    }
    if (client->over)
        client_close(client);
    else
        loop_modify(client->server->loop, &client->source, EPOLLIN);
}

/* May close the client. */
static void client_answered(struct client *client)
{
    client->waiting = false;
    loop_timer_set(client->server->loop, &client->deadline, clock_monotonic_ns() + PATIENCE_NS);
    client_send(client);
}

static void refuse(struct client *client, unsigned status)
{
    status_request_refuse(&client->answer, client->records.request_id, status, client->request.head);
    client_answered(client);
}

static bool is_fresh(const struct server *server, enum status_format format)
{
    return server->known[format].at_ns != 0 && clock_monotonic_ns() - server->known[format].at_ns < FRESH_NS;
}

static void tell(struct client *client)
{
    const struct strbuf *text = &client->server->known[client->request.format].text;

    status_request_answer(&client->answer, client->records.request_id, &client->request, text->data, text->length);
    client_answered(client);
}

static void ask(struct server *server, enum status_format format)
{
    const struct message question = { .type = MESSAGE_ASK_STATUS, .status = { .format = format } };

    server->asked = channel_send(server->channel.fd, &question, NULL, 0) == 0;
}

/* What those that wait want, one format after the other. */
static void ask_next(struct server *server)
{
    for (size_t i = 0; i < CLIENTS_MAX && !server->asked && !leaves(server); i++)
        if (server->clients[i].source.fd >= 0 && server->clients[i].waiting)
            ask(server, server->clients[i].request.format);
}

/* The head is whole. */
static void decide(struct client *client)
{
    struct server *server = client->server;

    client->request = status_request_read((const uint8_t *)client->params.data, client->params.length);
    if (client->request.refused) {
        refuse(client, client->request.refused);
    } else if (is_fresh(server, client->request.format)) {
        tell(client);
    } else if (leaves(server)) {
        refuse(client, 503);
    } else {
        client->waiting = true;
        loop_timer_set(server->loop, &client->deadline, clock_monotonic_ns() + PATIENCE_NS);
        ask_next(server);
    }
}

/* GET_VALUES: no values are told; any other: not known. */
static void answer_management(struct client *client)
{
    uint8_t type = client->records.type;

    if (client->records.answered)
        return;
    if (type == FCGI_RECORD_GET_VALUES)
        fcgi_record_append(&client->answer, FCGI_RECORD_GET_VALUES_RESULT, 0, "", 0);
    else
        fcgi_record_append(&client->answer, FCGI_RECORD_UNKNOWN_TYPE, 0, (uint8_t[8]){ type }, 8);
    client_send(client);
}

/* Takes what has come; the client may be closed after it. */
static void take(struct client *client, const uint8_t *bytes, size_t length)
{
    for (size_t at = 0, used = 0; at < length && client->source.fd >= 0; at += used) {
        switch (fallback_request_feed(&client->records, bytes + at, length - at, HEAD_MAX, &used)) {
        case FALLBACK_MORE: break;
        case FALLBACK_ANSWER: decide(client); break;
        case FALLBACK_MANAGEMENT: answer_management(client); break;
        case FALLBACK_OVER:
            client->over = true;
            if (!client->records.answered) {
                client_close(client);
            } else if (!client->waiting) {
                client_send(client);
            } else {
                loop_modify(client->server->loop, &client->source, 0); /* a hang-up is told all the same */
            }
            return;
        case FALLBACK_MALFORMED: client_close(client); return;
        }
    }
}

static void client_ready(void *data, uint32_t events)
{
    struct client *client = data;
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
    struct client *client = data;

    if (client->waiting)
        refuse(client, 503);
    else
        client_close(client);
}

static void client_open(struct server *server, int fd)
{
    struct client *client = server->clients;

    while (client->source.fd >= 0)
        client++;
    *client = (struct client){
        .server = server,
        .source = { .fd = fd, .ready = client_ready, .data = client },
        .deadline = { .expired = client_expired, .data = client },
    };
    client->records.params = &client->params;
    server->client_count++;
    if (loop_add(server->loop, &client->source, EPOLLIN) < 0) {
        client_close(client);
        return;
    }
    loop_timer_set(server->loop, &client->deadline, clock_monotonic_ns() + PATIENCE_NS);
}

static void listener_ready(void *data, uint32_t events)
{
    struct server *server = data;

    (void)events;
    if (server->client_count == CLIENTS_MAX) {
        listen_no_more(server);
        return;
    }
    int fd = accept4(server->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        client_open(server, fd);
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        listen_no_more(server);
        loop_timer_set(server->loop, &server->again, clock_monotonic_ns() + PAUSE_NS);
    }
}

static void again_expired(void *data)
{
    struct server *server = data;

    if (leaves(server))
        loop_stop(server->loop);
    else
        listen_again(server);
}

/* The supervisor is gone, or wants no status here any more. */
static void leave(struct server *server)
{
    loop_remove(server->loop, &server->channel);
    close(server->channel.fd);
    server->channel.fd = -1;
    listen_no_more(server);
    loop_timer_set(server->loop, &server->again, clock_monotonic_ns() + ALONE_NS);
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        if (server->clients[i].source.fd >= 0 && server->clients[i].waiting)
            refuse(&server->clients[i], 503);
    if (server->client_count == 0)
        loop_stop(server->loop);
}

static void answered(struct server *server, uint32_t format, int fd)
{
    char bytes[PIECE_SIZE];
    ssize_t got;

    server->asked = false;
    if (format < STATUS_FORMATS) {
        struct strbuf *text = &server->known[format].text;
        strbuf_free(text);
        *text = (struct strbuf){ 0 };
        for (off_t offset = 0; (got = pread(fd, bytes, sizeof bytes, offset)) > 0; offset += got)
            strbuf_append(text, bytes, (size_t)got);
        server->known[format].at_ns = clock_monotonic_ns();
    }
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        if (server->clients[i].source.fd >= 0 && server->clients[i].waiting &&
            server->clients[i].request.format == format)
            tell(&server->clients[i]);
    ask_next(server);
}

static void channel_ready(void *data, uint32_t events)
{
    struct server *server = data;
    struct message message;
    int descriptors[CHANNEL_DESCRIPTORS_MAX], got;

    (void)events;
    while ((got = channel_receive(server->channel.fd, &message, descriptors)) > 0) {
        if (message.type == MESSAGE_STATUS)
            answered(server, message.status.format, descriptors[0]);
        for (unsigned i = 0; i < message_descriptors(message.type); i++)
            close(descriptors[i]);
    }
    if (got == 0 || (errno != EAGAIN && errno != EBADMSG))
        leave(server);
}

/* There is nothing that this process opens, and anybody may send to it. */
static void drop_privileges(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fatal("prctl(PR_SET_NO_NEW_PRIVS)");
    if (geteuid() == 0 &&
        (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0))
        log_warn("the status is served as root: the user can't be changed");
}

static int descriptor(const char *text)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (end == text || *end || value < 0 || value > 1 << 20 || fcntl((int)value, F_SETFD, FD_CLOEXEC) < 0)
        fatalx("cowherd status-server is started by cowherd, not by hand");
    return (int)value;
}

static void finish(struct server *server)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        if (server->clients[i].source.fd >= 0)
            client_close(&server->clients[i]);
    if (server->channel.fd >= 0)
        loop_remove(server->loop, &server->channel);
    for (size_t i = 0; i < STATUS_FORMATS; i++)
        strbuf_free(&server->known[i].text);
    loop_timer_clear(server->loop, &server->again);
    loop_free(server->loop);
}

int status_server_command(int argc, char **argv)
{
    static const struct option options[] = {
        { "listen-fd", required_argument, NULL, 'l' },
        { "channel-fd", required_argument, NULL, 'm' },
        { 0 },
    };
    static struct server server;
    int listener = -1, channel = -1, option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'l': listener = descriptor(optarg); break;
        case 'm': channel = descriptor(optarg); break;
        default: return 2;
        }
    }
    if (listener < 0 || channel < 0)
        fatalx("cowherd status-server is started by cowherd, not by hand");
    log_to_supervisor(STDERR_FILENO);
    signal(SIGPIPE, SIG_IGN);
    drop_privileges();
    server.loop = loop_new();
    if (!server.loop)
        fatal("epoll");
    server.channel = (struct loop_source){ .fd = channel, .ready = channel_ready, .data = &server };
    server.listener = (struct loop_source){ .fd = listener, .ready = listener_ready, .data = &server };
    server.again = (struct loop_timer){ .expired = again_expired, .data = &server };
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        server.clients[i].source.fd = -1;
    if (loop_add(server.loop, &server.channel, EPOLLIN) < 0)
        fatal("epoll");
    listen_again(&server);
    loop_run(server.loop);
    finish(&server);
    return 0;
}
