#include "fallback_command.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "allow.h"
#include "channel.h"
#include "clock.h"
#include "config.h"
#include "emergency_answer.h"
#include "fallback_policy.h"
#include "fallback_request.h"
#include "log.h"
#include "loop.h"
#include "scoreboard.h"
#include "strbuf.h"
#include "xalloc.h"

#define CLIENTS_MAX 128
#define ACCEPTS_A_TURN 16
#define PIECE_SIZE 16384
/* For a head when timeouts.header is off, and for the rest of a body that nobody reads. */
#define PATIENCE_NS (2 * CLOCK_NS_PER_S)
/* Who would ask for more is gone. */
#define ALONE_NS CLOCK_NS_PER_S
/* After accept(2) has failed. */
#define PAUSE_NS (100 * CLOCK_NS_PER_MS)

struct server;

struct client {
    struct server *server;
    struct loop_source source; /* fd -1: nobody */
    struct loop_timer deadline;
    struct fallback_request request;
};

struct server {
    struct loop *loop;
    struct config *config;
    const struct config_pool *pool;
    struct allow_list *allow;
    struct slot *slot;
    struct loop_source channel;
    struct loop_source *listeners;
    size_t listener_count;
    bool listening;
    bool leaving;
    struct loop_timer again; /* to listen again; when leaving: to be gone */
    int64_t next_try_ns;
    char trouble[CHANNEL_TEXT_SIZE]; /* for the page; "": nothing is told */
    struct client clients[CLIENTS_MAX];
    unsigned client_count;
};

/* This process is the only one that writes them. */
static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void listen_to_all(struct server *server)
{
    for (size_t i = 0; i < server->listener_count && !server->listening; i++)
        if (loop_add(server->loop, &server->listeners[i], EPOLLIN) < 0)
            fatal("epoll");
    server->listening = true;
}

static void listen_to_none(struct server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        loop_remove(server->loop, &server->listeners[i]);
    server->listening = false;
}

static void client_close(struct client *client)
{
    struct server *server = client->server;

    loop_remove(server->loop, &client->source);
    loop_timer_clear(server->loop, &client->deadline);
    close(client->source.fd);
    client->source.fd = -1;
    server->client_count--;
    if (server->leaving && server->client_count == 0)
        loop_stop(server->loop);
    else if (!server->leaving && !server->listening && !loop_timer_is_set(&server->again))
        listen_to_all(server);
}

static unsigned retry_after(const struct server *server)
{
    return fallback_retry_after(server->next_try_ns - clock_monotonic_ns());
}

/* For development: the page says why. */
static void append_trouble(struct strbuf *records, uint16_t request_id, const char *trouble)
{
    struct strbuf page = { 0 };

    strbuf_printf(&page,
                  "Status: 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
                  "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nContent-Length: %zu\r\n\r\n"
                  "503 Service Unavailable\n\n%s\n",
                  strlen("503 Service Unavailable\n\n\n") + strlen(trouble), trouble);
    fcgi_record_append(records, FCGI_RECORD_STDOUT, request_id, page.data, page.length);
    fcgi_record_append(records, FCGI_RECORD_STDOUT, request_id, "", 0);
    fcgi_record_append_end(records, request_id, 0, FCGI_STATUS_REQUEST_COMPLETE);
    strbuf_free(&page);
}

static void answer(struct client *client)
{
    struct server *server = client->server;
    uint8_t emergency[EMERGENCY_ANSWER_SIZE];
    struct strbuf records = { 0 };

    if (server->trouble[0] != '\0')
        append_trouble(&records, client->request.request_id, server->trouble);
    else
        strbuf_append(&records, (const char *)emergency,
                      emergency_answer(emergency, client->request.request_id, 503, retry_after(server)));
    count(&server->slot->accepted);
    /* The first that is sent on a new connection: there is room for it. */
    if (send(client->source.fd, records.data, records.length, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)records.length)
        count(&server->slot->error_answered);
    else
        count(&server->slot->client_gone);
    strbuf_free(&records);
    /* Open until the body has come: some clients take an end before that for a failure. */
    loop_timer_set(server->loop, &client->deadline, clock_monotonic_ns() + PATIENCE_NS);
}

/* GET_VALUES: no values are told; any other: not known. */
static void answer_management(struct client *client)
{
    uint8_t type = client->request.type;
    struct strbuf record = { 0 };

    if (type == FCGI_RECORD_GET_VALUES)
        fcgi_record_append(&record, FCGI_RECORD_GET_VALUES_RESULT, 0, "", 0);
    else
        fcgi_record_append(&record, FCGI_RECORD_UNKNOWN_TYPE, 0, (uint8_t[8]){ type }, 8);
    count(&client->server->slot->management);
    if (!client->request.answered)
        send(client->source.fd, record.data, record.length, MSG_DONTWAIT | MSG_NOSIGNAL);
    strbuf_free(&record);
}

/* What has come; false when the connection is to be closed. */
static bool take(struct client *client, const uint8_t *bytes, size_t length)
{
    struct server *server = client->server;

    for (size_t at = 0, used = 0; at < length; at += used) {
        switch (fallback_request_feed(&client->request, bytes + at, length - at, (size_t)server->pool->limits.header,
                                      &used)) {
        case FALLBACK_MORE: break;
        case FALLBACK_ANSWER: answer(client); break;
        case FALLBACK_MANAGEMENT: answer_management(client); break;
        case FALLBACK_OVER: return false;
        case FALLBACK_MALFORMED: count(&server->slot->malformed); return false;
        }
    }
    return true;
}

static void client_ready(void *data, uint32_t events)
{
    struct client *client = data;
    uint8_t bytes[PIECE_SIZE];
    ssize_t got = recv(client->source.fd, bytes, sizeof bytes, MSG_DONTWAIT);

    (void)events;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0 || !take(client, bytes, (size_t)got))
        client_close(client);
}

static void client_expired(void *data)
{
    struct client *client = data;

    if (!client->request.answered)
        count(&client->server->slot->late);
    client_close(client);
}

static void client_open(struct server *server, int fd)
{
    struct client *client = server->clients;
    int64_t patience = server->pool->timeouts.header_ns > 0 ? server->pool->timeouts.header_ns : PATIENCE_NS;

    while (client->source.fd >= 0)
        client++;
    *client = (struct client){
        .server = server,
        .source = { .fd = fd, .ready = client_ready, .data = client },
        .deadline = { .expired = client_expired, .data = client },
    };
    server->client_count++;
    if (loop_add(server->loop, &client->source, EPOLLIN) < 0) {
        client_close(client);
        return;
    }
    loop_timer_set(server->loop, &client->deadline, clock_monotonic_ns() + patience);
}

/* false: there is nobody more to take now. */
static bool accept_one(struct server *server, int listener)
{
    struct sockaddr_storage address = { 0 };
    socklen_t length = sizeof address;

    if (server->client_count == CLIENTS_MAX) {
        listen_to_none(server);
        return false;
    }
    int fd = accept4(listener, (struct sockaddr *)(void *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED && !server->leaving) {
            listen_to_none(server);
            loop_timer_set(server->loop, &server->again, clock_monotonic_ns() + PAUSE_NS);
        }
        return errno == ECONNABORTED || errno == EINTR;
    }
    if (allow_list_matches(server->allow, (const struct sockaddr *)(const void *)&address))
        client_open(server, fd);
    else
        close(fd);
    return true;
}

static void listener_ready(struct server *server, int listener)
{
    for (int i = 0; i < ACCEPTS_A_TURN && accept_one(server, listener); i++)
        continue;
}

struct listener_source {
    struct server *server;
    int fd;
};

static void source_ready(void *data, uint32_t events)
{
    const struct listener_source *source = data;
    (void)events;
    listener_ready(source->server, source->fd);
}

static void again_expired(void *data)
{
    struct server *server = data;

    if (server->leaving)
        loop_stop(server->loop);
    else
        listen_to_all(server);
}

static void leave(struct server *server, bool take_backlog)
{
    server->leaving = true;
    for (size_t i = 0; i < server->listener_count && take_backlog; i++)
        while (accept_one(server, server->listeners[i].fd))
            continue;
    listen_to_none(server);
    loop_timer_clear(server->loop, &server->again);
    if (server->client_count == 0)
        loop_stop(server->loop);
}

static void channel_ready(void *data, uint32_t events)
{
    struct server *server = data;
    struct message message;
    int descriptors[CHANNEL_DESCRIPTORS_MAX], got;

    (void)events;
    while ((got = channel_receive(server->channel.fd, &message, descriptors)) > 0) {
        if (message.type == MESSAGE_NEXT_TRY)
            server->next_try_ns = message.next_try.at_ns;
        else if (message.type == MESSAGE_TROUBLE)
            memcpy(server->trouble, message.text, strlen(message.text) + 1);
        else if (message.type == MESSAGE_DRAIN && !server->leaving)
            leave(server, message.drain.take_backlog);
    }
    if (got == 0 || (errno != EAGAIN && errno != EBADMSG)) {
        loop_remove(server->loop, &server->channel);
        leave(server, false);
        loop_timer_set(server->loop, &server->again, clock_monotonic_ns() + ALONE_NS);
    }
}

/* To the pool's user, with no group but its own: there is nothing that this process opens. */
static void drop_privileges(const struct config_pool *pool)
{
    uid_t user = geteuid();
    gid_t group = getegid();
    const struct passwd *entry = pool->user ? getpwnam(pool->user) : NULL;
    const struct group *named = pool->group ? getgrnam(pool->group) : NULL;

    if ((pool->user && !entry) || (pool->group && !named))
        fatalx("there is no such user or group");
    if (entry) {
        user = entry->pw_uid;
        group = entry->pw_gid;
    }
    if (named)
        group = named->gr_gid;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fatal("prctl(PR_SET_NO_NEW_PRIVS)");
    if (user == geteuid() && group == getegid())
        return;
    if (setgroups(0, NULL) < 0 || setresgid(group, group, group) < 0 || setresuid(user, user, user) < 0)
        fatal("the user can't be changed");
}

static struct config *read_config(int fd)
{
    struct strbuf text = { 0 };
    char bytes[16384];
    ssize_t got;

    for (off_t offset = 0; (got = pread(fd, bytes, sizeof bytes, offset)) > 0; offset += got)
        strbuf_append(&text, bytes, (size_t)got);
    close(fd);
    struct config_report report = { 0 };
    struct config *config = config_parse(text.data ? text.data : "", text.length, "canonical", "/", &report);
    if (!config || config->pool_count != 1)
        fatalx("the configuration can't be parsed");
    config_report_free(&report);
    strbuf_free(&text);
    return config;
}

static int descriptor(const char *text)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (end == text || *end || value < 0 || value > 1 << 20 || fcntl((int)value, F_SETFD, FD_CLOEXEC) < 0)
        fatalx("cowherd fallback is started by cowherd, not by hand");
    return (int)value;
}

static void add_listeners(struct server *server, char *list)
{
    for (char *rest = list, *word; (word = strtok_r(rest, ",", &rest));) {
        struct listener_source *source = xmalloc(sizeof *source);
        *source = (struct listener_source){ .server = server, .fd = descriptor(word) };
        server->listeners = xreallocarray(server->listeners, server->listener_count + 1, sizeof *server->listeners);
        server->listeners[server->listener_count++] =
            (struct loop_source){ .fd = source->fd, .ready = source_ready, .data = source };
    }
}

static void prepare(struct server *server, int config, int board, int channel)
{
    const char *wrong;
    struct scoreboard *map = scoreboard_attach(board);

    server->loop = loop_new();
    if (!map || !server->loop)
        fatal("the fallback can't be set up");
    server->slot = &map->slot[0];
    server->config = read_config(config);
    log_set_level(server->config->log.level);
    server->pool = &server->config->pools[0];
    server->allow = allow_list_new(server->pool->socket.allow.items, server->pool->socket.allow.count, &wrong);
    if (!server->allow)
        fatalx("socket.allow: \"%s\" is neither an address nor a prefix", wrong);
    server->channel = (struct loop_source){ .fd = channel, .ready = channel_ready, .data = server };
    server->again = (struct loop_timer){ .expired = again_expired, .data = server };
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        server->clients[i].source.fd = -1;
    drop_privileges(server->pool);
    if (loop_add(server->loop, &server->channel, EPOLLIN) < 0)
        fatal("epoll");
}

static void finish(struct server *server)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        if (server->clients[i].source.fd >= 0)
            client_close(&server->clients[i]);
    for (size_t i = 0; i < server->listener_count; i++)
        free(server->listeners[i].data);
    free(server->listeners);
    loop_timer_clear(server->loop, &server->again);
    loop_remove(server->loop, &server->channel);
    loop_free(server->loop);
    allow_list_free(server->allow);
    config_release(server->config);
}

int fallback_command(int argc, char **argv)
{
    static const struct option options[] = {
        { "config-fd", required_argument, NULL, 'c' },
        { "scoreboard-fd", required_argument, NULL, 's' },
        { "channel-fd", required_argument, NULL, 'm' },
        { "listen-fds", required_argument, NULL, 'l' },
        { 0 },
    };
    static struct server server;
    int config = -1, board = -1, channel = -1, option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'c': config = descriptor(optarg); break;
        case 's': board = descriptor(optarg); break;
        case 'm': channel = descriptor(optarg); break;
        case 'l': add_listeners(&server, optarg); break;
        default: return 2;
        }
    }
    if (config < 0 || board < 0 || channel < 0)
        fatalx("cowherd fallback is started by cowherd, not by hand");
    log_to_supervisor(STDERR_FILENO);
    signal(SIGPIPE, SIG_IGN);
    prepare(&server, config, board, channel);
    listen_to_all(&server);
    loop_run(server.loop);
    finish(&server);
    return 0;
}
