#include "control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "control_commands.h"
#include "listener.h"
#include "log.h"
#include "state_text.h"
#include "supervisor.h"
#include "trace.h"
#include "xalloc.h"

#define CLIENTS_MAX 64
#define LINE_MAX_BYTES 1024
#define REQUEST_TIME_NS (10 * CLOCK_NS_PER_S)
#define ACCEPT_PAUSE_NS CLOCK_NS_PER_S

struct control {
    struct supervisor *supervisor;
    struct listener_set set;
    struct listener *listener;
    struct loop_source source;
    struct loop_timer again; /* the source is watched again */
    struct client *clients;
    unsigned client_count;
};

static void client_free(struct client *client)
{
    struct control *control = client->control;
    struct client **link = &control->clients;
    while (*link != client)
        link = &(*link)->next;
    *link = client->next;
    control->client_count--;
    if (client->ticket)
        trace_finish(control->supervisor, client->ticket, "who asked for the trace has left");
    ticket_abandon(client->ticket);
    loop_timer_clear(control->supervisor->loop, &client->deadline);
    loop_remove(control->supervisor->loop, &client->source);
    close(client->source.fd);
    strbuf_free(&client->request);
    strbuf_free(&client->answer);
    free(client);
}

/* Sends what the socket takes; frees the client when all has left or it is gone. */
static void client_send(struct client *client)
{
    while (client->answer.length > 0) {
        ssize_t sent = send(client->source.fd, client->answer.data, client->answer.length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            loop_modify(client->control->supervisor->loop, &client->source, EPOLLOUT);
            return;
        }
        if (sent < 0)
            break;
        strbuf_consume(&client->answer, (size_t)sent);
    }
    client_free(client);
}

void client_answer(struct client *client, bool succeeded, const char *text)
{
    client->answered = true;
    strbuf_puts(&client->answer, succeeded ? "ok\n" : "error\n");
    strbuf_puts(&client->answer, text);
    if (client->answer.data[client->answer.length - 1] != '\n')
        strbuf_puts(&client->answer, "\n");
    loop_timer_set(client->control->supervisor->loop, &client->deadline, clock_monotonic_ns() + REQUEST_TIME_NS);
    client_send(client);
}

static void ticket_done(void *data, bool succeeded, const char *text)
{
    struct client *client = data;
    client->ticket = NULL;
    if (client->settled)
        client->settled(client);
    else
        client_answer(client, succeeded, text);
}

struct ticket *client_wait(struct client *client)
{
    client->ticket = ticket_new(ticket_done, client);
    loop_timer_clear(client->control->supervisor->loop, &client->deadline);
    return client->ticket;
}

struct ticket *client_wait_until_late(struct client *client, int64_t patience_ns, void (*late)(struct client *client))
{
    struct ticket *ticket = client_wait(client);
    client->late = late;
    loop_timer_set(client->control->supervisor->loop, &client->deadline, clock_monotonic_ns() + patience_ns);
    return ticket;
}

static void client_ready(void *data, uint32_t events)
{
    struct client *client = data;
    char bytes[LINE_MAX_BYTES];
    if (client->answered) {
        if (events & (EPOLLERR | EPOLLHUP))
            client_free(client);
        else
            client_send(client);
        return;
    }
    ssize_t got = recv(client->source.fd, bytes, sizeof bytes, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got == 0 && client->ticket && !(events & EPOLLHUP) &&
        trace_finish(client->control->supervisor, client->ticket, "interrupted")) {
        /* It reads on: what was found so far follows. */
        loop_modify(client->control->supervisor->loop, &client->source, 0);
        return;
    }
    if (got <= 0) {
        client_free(client);
        return;
    }
    if (client->ticket)
        return; /* more than one line: not looked at */
    strbuf_append(&client->request, bytes, (size_t)got);
    char *newline = memchr(client->request.data, '\n', client->request.length);
    if (newline) {
        *newline = '\0';
        control_run_command(client);
    } else if (client->request.length > LINE_MAX_BYTES) {
        client_answer(client, false, "the request is too long");
    }
}

static void deadline_expired(void *data)
{
    struct client *client = data;
    if (!client->ticket || !client->late) {
        client_free(client);
        return;
    }
    ticket_abandon(client->ticket);
    client->ticket = NULL;
    client->late(client);
}

/* NULL: it may; else why not. The mode of the socket file says the same, unless somebody has changed it. */
static const char *why_refused(const struct control *control, int fd, char *text, size_t size)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (control->client_count >= CLIENTS_MAX)
        return "too many are connected";
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
        return "nobody knows who it is";
    if (peer.uid == 0 || peer.uid == geteuid())
        return NULL;
    snprintf(text, size, "process %ld is user %lu's, who may not command", (long)peer.pid, (unsigned long)peer.uid);
    return text;
}

static void watch_again(void *data)
{
    struct control *control = data;
    if (loop_add(control->supervisor->loop, &control->source, EPOLLIN) < 0)
        fatal("epoll");
}

/* Without a descriptor to be had the client stays in the queue, and would be told of again and again. */
static void accept_failed(struct control *control)
{
    if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
        return;
    log_warn("control: a client can't be accepted");
    loop_remove(control->supervisor->loop, &control->source);
    loop_timer_set(control->supervisor->loop, &control->again, clock_monotonic_ns() + ACCEPT_PAUSE_NS);
}

/* NULL: it can't be served, and is closed. */
static struct client *client_new(struct control *control, int fd)
{
    struct client *client = xcalloc(1, sizeof *client);
    client->control = control;
    client->supervisor = control->supervisor;
    client->source = (struct loop_source){ .fd = fd, .ready = client_ready, .data = client };
    client->deadline = (struct loop_timer){ .expired = deadline_expired, .data = client };
    client->next = control->clients;
    control->clients = client;
    control->client_count++;
    loop_timer_set(control->supervisor->loop, &client->deadline, clock_monotonic_ns() + REQUEST_TIME_NS);
    if (loop_add(control->supervisor->loop, &client->source, EPOLLIN) == 0)
        return client;
    log_warn("control: a client can't be served");
    client_free(client);
    return NULL;
}

/* false: nobody else waits, or can be accepted. */
static bool accept_client(struct control *control)
{
    int fd = accept4(control->source.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        accept_failed(control);
        return false;
    }
    char text[100];
    const char *refused = why_refused(control, fd, text, sizeof text);
    if (refused) {
        log_warnx("control: a client is refused: %s", refused);
        close(fd);
    } else {
        client_new(control, fd);
    }
    return true;
}

static void control_ready(void *data, uint32_t events)
{
    (void)events;
    accept_client(data);
}

static struct control *control_new(struct supervisor *supervisor)
{
    struct control *control = xcalloc(1, sizeof *control);
    control->supervisor = supervisor;
    control->again = (struct loop_timer){ .expired = watch_again, .data = control };
    return control;
}

static void start_watching(struct control *control)
{
    control->source = (struct loop_source){ .fd = control->listener->fd, .ready = control_ready, .data = control };
    watch_again(control);
}

static struct listener *acquire(struct control *control, const char *path, struct strbuf *error)
{
    char *address = xstrdup(path);
    const struct config_listen where = { .type = LISTEN_UNIX, .address = address };
    const struct config_socket settings = { .mode = 0600, .backlog = CLIENTS_MAX };
    struct listener *listener = listener_acquire(&control->set, &where, 0, &settings, error);
    free(address);
    return listener;
}

struct control *control_open(struct supervisor *supervisor, const char *path, struct strbuf *error)
{
    struct control *control = control_new(supervisor);
    control->listener = acquire(control, path, error);
    if (!control->listener) {
        free(control);
        return NULL;
    }
    start_watching(control);
    return control;
}

const struct listener_set *control_listeners(const struct control *control)
{
    return &control->set;
}

void control_look(struct control *control, int watch)
{
    struct strbuf error = { 0 };
    struct listener *before = control->listener;
    if (listener_look(before, watch) != LISTENER_FILE_MISSING)
        return;
    struct listener *anew = acquire(control, before->address, &error);
    if (!anew) {
        log_warnx("control: %s", error.data);
        strbuf_free(&error);
        return;
    }
    log_warnx("control: %s was removed, and is bound anew", before->address);
    while (accept_client(control))
        continue;
    loop_timer_clear(control->supervisor->loop, &control->again);
    loop_remove(control->supervisor->loop, &control->source);
    listener_release_pool(&control->set, before);
    control->listener = anew;
    start_watching(control);
    listener_look(anew, watch);
}

void control_ask_again(struct control *control)
{
    for (struct client *client = control->clients, *next; client; client = next) {
        next = client->next;
        if (!client->ticket || client->upgrades)
            continue;
        trace_finish(control->supervisor, client->ticket, "cowherd is being upgraded");
        ticket_abandon(client->ticket);
        client->ticket = NULL;
        client_answer(client, false, "cowherd is being upgraded; ask again for the outcome");
    }
}

void control_save(const struct control *control, struct state_writer *writer)
{
    state_put_record(writer, "control");
    listener_save(control->listener, writer);
    for (const struct client *client = control->clients; client; client = client->next) {
        state_put_record(writer, "client");
        state_put_descriptor(writer, "descriptor", client->source.fd);
        state_put_string(writer, "request", client->request.data);
        state_put_string(writer, "answer", client->answered ? client->answer.data : NULL);
        state_put_number(writer, "upgrades", client->upgrades && client->ticket);
    }
}

struct control *control_adopt(struct supervisor *supervisor, struct state_reader *reader)
{
    struct listener *listener = listener_adopt(reader);
    if (!listener)
        return NULL;
    struct control *control = control_new(supervisor);
    control->set.first = control->listener = listener;
    listener->pools = listener->holders = 1;
    start_watching(control);
    return control;
}

void control_adopt_client(struct control *control, struct state_reader *reader)
{
    int fd = state_descriptor(reader, "descriptor");
    const char *request = state_string(reader, "request"), *answer = state_string(reader, "answer");
    struct client *client = fd < 0 ? NULL : client_new(control, fd);
    if (!client)
        return;
    if (answer) {
        client->answered = true;
        strbuf_puts(&client->answer, answer);
        loop_modify(control->supervisor->loop, &client->source, EPOLLOUT);
    } else if (state_number(reader, "upgrades", 0)) {
        client->upgrades = true;
        ticket_list_add(&control->supervisor->upgrade.tickets, client_wait(client));
    } else if (request) {
        strbuf_puts(&client->request, request);
    }
}

void control_stop_listening(struct control *control)
{
    loop_timer_clear(control->supervisor->loop, &control->again);
    loop_remove(control->supervisor->loop, &control->source);
    if (control->listener)
        listener_release_pool(&control->set, control->listener);
    control->listener = NULL;
}

void control_close(struct control *control)
{
    int64_t deadline = clock_monotonic_ns() + CLOCK_NS_PER_S;
    while (control->clients) {
        struct client *client = control->clients;
        struct pollfd wait = { .fd = client->source.fd, .events = POLLOUT };
        if (!client->answered || clock_monotonic_ns() > deadline ||
            poll(&wait, 1, clock_poll_timeout_ms(deadline, clock_monotonic_ns())) <= 0)
            client_free(client);
        else
            client_send(client);
    }
    control_stop_listening(control);
    free(control);
}
