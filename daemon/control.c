#include "control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "inquiry.h"
#include "listener.h"
#include "log.h"
#include "memory_report.h"
#include "scaler.h"
#include "state_text.h"
#include "status.h"
#include "supervisor.h"
#include "trace.h"
#include "xalloc.h"

#define CLIENTS_MAX 64
#define LINE_MAX_BYTES 1024
#define REQUEST_TIME_NS (10 * CLOCK_NS_PER_S)
#define ARGUMENTS_MAX 4
#define ACCEPT_PAUSE_NS CLOCK_NS_PER_S
#define MEMORY_PATIENCE_NS CLOCK_NS_PER_S
#define HEAP_PATIENCE_NS (5 * CLOCK_NS_PER_S)

struct control {
    struct supervisor *supervisor;
    struct listener_set set;
    struct listener *listener;
    struct loop_source source;
    struct loop_timer again; /* the source is watched again */
    struct client *clients;
    unsigned client_count;
};

struct client {
    struct control *control;
    struct client *next;
    struct loop_source source;
    struct loop_timer deadline; /* for the request's line, then for taking the answer */
    struct strbuf request;
    struct strbuf answer;
    struct ticket *ticket; /* what it waits for */
    /* In place of the ticket's text as the answer; at the deadline (NULL: wait on). */
    void (*settled)(struct client *client);
    void (*late)(struct client *client);
    char *words[ARGUMENTS_MAX + 2]; /* of the request, the command first */
    bool answered;
    bool upgrades; /* it waits for an upgrade */
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

/* Frees the client at the latest when it has taken the answer. */
static void client_answer(struct client *client, bool succeeded, const char *text)
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

static struct ticket *wait_with_ticket(struct client *client)
{
    client->ticket = ticket_new(ticket_done, client);
    loop_timer_clear(client->control->supervisor->loop, &client->deadline);
    return client->ticket;
}

static void command_status(struct client *client, char *const arguments[])
{
    struct strbuf text = { 0 };
    if (arguments[0] && strcmp(arguments[0], "json") == 0)
        status_json(client->control->supervisor, &text);
    else
        status_table(client->control->supervisor, &text);
    client_answer(client, true, text.data);
    strbuf_free(&text);
}

/* Waits for the ticket no longer than this. */
static struct ticket *wait_until_late(struct client *client, int64_t patience_ns, void (*late)(struct client *client))
{
    struct ticket *ticket = wait_with_ticket(client);
    client->late = late;
    loop_timer_set(client->control->supervisor->loop, &client->deadline, clock_monotonic_ns() + patience_ns);
    return ticket;
}

/* NULL: answered why not. */
static struct pool *find_pool(struct client *client, const char *name)
{
    const struct supervisor *supervisor = client->control->supervisor;
    struct pool *pool = name ? supervisor_pool(supervisor, name) : NULL;
    struct strbuf text = { 0 };
    if (!name && supervisor->pool_count == 1)
        pool = supervisor->pools[0];
    if (pool)
        return pool;
    if (name)
        strbuf_printf(&text, "there is no pool \"%s\"; the pools are:", name);
    else
        strbuf_puts(&text, "name one of the pools:");
    for (size_t i = 0; i < supervisor->pool_count; i++)
        strbuf_printf(&text, " %s", supervisor->pools[i]->name);
    client_answer(client, false, text.data);
    strbuf_free(&text);
    return NULL;
}

/* "memory", "table" or "json", then perhaps a pool. */
static void answer_memory(struct client *client)
{
    const struct supervisor *supervisor = client->control->supervisor;
    const char *format = client->words[1], *name = client->words[2];
    struct strbuf text = { 0 };
    struct pool *pool = name ? find_pool(client, name) : NULL;
    if (name && !pool)
        return;
    if (strcmp(format, "json") == 0)
        memory_report_json(supervisor, pool, &text);
    else
        memory_report_table(supervisor, pool, &text);
    client_answer(client, true, text.data);
    strbuf_free(&text);
}

/* A child that is busy is looked at from outside, if that is allowed. */
static void memory_late(struct client *client)
{
    sampler_refresh(&client->control->supervisor->sampler);
    answer_memory(client);
}

static void command_memory(struct client *client, char *const arguments[])
{
    struct supervisor *supervisor = client->control->supervisor;
    if (!arguments[0] || (arguments[1] && !find_pool(client, arguments[1]))) {
        if (!arguments[0])
            client_answer(client, false, "memory: \"table\" or \"json\" is missing");
        return;
    }
    client->settled = answer_memory;
    struct ticket *ticket = wait_until_late(client, MEMORY_PATIENCE_NS, memory_late);
    for (size_t i = 0; i < supervisor->pool_count; i++)
        if (!arguments[1] || strcmp(supervisor->pools[i]->name, arguments[1]) == 0)
            inquiry_memory(supervisor->pools[i], ticket);
    ticket_settle(ticket, true, "%s", "");
}

static void heap_late(struct client *client)
{
    client_answer(client, false, "the worker has not answered within 5 s: it is busy with a request, or stopped");
}

/* "heap", a pool or "-", perhaps a worker's number. */
static void command_heap(struct client *client, char *const arguments[])
{
    const char *name = arguments[0] && strcmp(arguments[0], "-") != 0 ? arguments[0] : NULL;
    long number = arguments[0] && arguments[1] ? strtol(arguments[1], NULL, 10) : -1;
    struct pool *pool = find_pool(client, name);
    if (pool)
        inquiry_heap(pool, number, wait_until_late(client, HEAP_PATIENCE_NS, heap_late));
}

static void command_reload(struct client *client, char *const arguments[])
{
    log_info("control: reload%s%s", arguments[0] ? " " : "", arguments[0] ? arguments[0] : "");
    supervisor_reload(client->control->supervisor, arguments[0], wait_with_ticket(client));
}

static void command_stop(struct client *client, char *const arguments[])
{
    bool now = arguments[0] && strcmp(arguments[0], "now") == 0;
    log_info("control: stop%s", now ? " now" : "");
    supervisor_stop(client->control->supervisor, now, wait_with_ticket(client));
}

static void command_reopen(struct client *client, char *const arguments[])
{
    (void)arguments;
    supervisor_reopen_logs(client->control->supervisor);
    client_answer(client, true, "");
}

static void command_upgrade(struct client *client, char *const arguments[])
{
    (void)arguments;
    log_info("control: upgrade");
    client->upgrades = true;
    upgrade_start(client->control->supervisor, wait_with_ticket(client));
}

static void command_trace_writes(struct client *client, char *const arguments[])
{
    struct supervisor *supervisor = client->control->supervisor;
    struct pool *pool = arguments[0] ? supervisor_pool(supervisor, arguments[0]) : NULL;
    uint64_t requests = arguments[0] && arguments[1] ? strtoull(arguments[1], NULL, 10) : 0;
    if (!pool)
        client_answer(client, false, "there is no such pool");
    else if (requests == 0)
        client_answer(client, false, "the number of requests must be at least 1");
    else
        trace_start(pool, requests, wait_with_ticket(client));
}

static void command_scale(struct client *client, char *const arguments[])
{
    struct strbuf text = { 0 };
    struct pool *pool;
    if (!arguments[0] || !arguments[1] || strspn(arguments[1], "0123456789") != strlen(arguments[1])) {
        client_answer(client, false, "scale: a pool and the number of its workers are expected");
    } else if ((pool = find_pool(client, arguments[0]))) {
        bool done = scaler_set(pool, strtoull(arguments[1], NULL, 10), &text);
        log_info("control: scale %s %s: %s", arguments[0], arguments[1], text.data);
        client_answer(client, done, text.data);
    }
    strbuf_free(&text);
}

static const struct {
    const char *name;
    unsigned arguments_max;
    void (*run)(struct client *client, char *const arguments[]);
} commands[] = {
    { "status", 1, command_status },
    { "memory", 2, command_memory },
    { "heap", 2, command_heap },
    { "reload", 1, command_reload },
    { "stop", 1, command_stop },
    { "reopen", 0, command_reopen },
    { "trace-writes", 2, command_trace_writes },
    { "scale", 2, command_scale },
    { "upgrade", 0, command_upgrade },
};

static void client_run(struct client *client)
{
    char **words = client->words;
    size_t count = 0;
    char *rest = client->request.data;
    for (char *word; count <= ARGUMENTS_MAX && (word = strtok_r(rest, " ", &rest));)
        words[count++] = word;
    for (size_t i = 0; count > 0 && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(words[0], commands[i].name) != 0)
            continue;
        if (count - 1 > commands[i].arguments_max)
            break;
        commands[i].run(client, words + 1);
        return;
    }
    client_answer(client, false, "this cowherd does not know that command; it may be older than yours");
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
        client_run(client);
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

static void watch(void *data)
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
    client->source = (struct loop_source){ .fd = fd, .ready = client_ready, .data = client };
    client->deadline = (struct loop_timer){ .expired = deadline_expired, .data = client };
    client->next = control->clients;
    control->clients = client;
    control->client_count++;
    loop_timer_set(control->supervisor->loop, &client->deadline, clock_monotonic_ns() + REQUEST_TIME_NS);
    if (loop_add(control->supervisor->loop, &client->source, EPOLLIN) == 0)
        return client;
    client_free(client);
    return NULL;
}

static void control_ready(void *data, uint32_t events)
{
    (void)events;
    struct control *control = data;
    int fd = accept4(control->source.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        accept_failed(control);
        return;
    }
    char text[100];
    const char *refused = why_refused(control, fd, text, sizeof text);
    if (refused) {
        log_warnx("control: a client is refused: %s", refused);
        close(fd);
        return;
    }
    client_new(control, fd);
}

static struct control *control_new(struct supervisor *supervisor)
{
    struct control *control = xcalloc(1, sizeof *control);
    control->supervisor = supervisor;
    control->again = (struct loop_timer){ .expired = watch, .data = control };
    return control;
}

static void start_watching(struct control *control)
{
    control->source = (struct loop_source){ .fd = control->listener->fd, .ready = control_ready, .data = control };
    watch(control);
}

struct control *control_open(struct supervisor *supervisor, const char *path, struct strbuf *error)
{
    struct control *control = control_new(supervisor);
    char *address = xstrdup(path);
    const struct config_listen where = { .type = LISTEN_UNIX, .address = address };
    const struct config_socket settings = { .mode = 0600, .backlog = CLIENTS_MAX };
    control->listener = listener_acquire(&control->set, &where, 0, &settings, error);
    free(address);
    if (!control->listener) {
        free(control);
        return NULL;
    }
    start_watching(control);
    return control;
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
        ticket_list_add(&control->supervisor->upgrade.tickets, wait_with_ticket(client));
    } else if (request) {
        strbuf_puts(&client->request, request);
    }
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
    loop_timer_clear(control->supervisor->loop, &control->again);
    loop_remove(control->supervisor->loop, &control->source);
    listener_release_pool(&control->set, control->listener);
    free(control);
}
