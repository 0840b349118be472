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
#include "config_handed.h"
#include "emergency_answer.h"
#include "fallback_policy.h"
#include "handed.h"
#include "responder.h"
#include "log.h"
#include "loop.h"
#include "scoreboard.h"
#include "strbuf.h"
#include "xalloc.h"

/* For a head when timeouts.header is off, and for the rest of a body that nobody reads. */
#define PATIENCE_NS (2 * CLOCK_NS_PER_S)
/* Who would ask for more is gone. */
#define ALONE_NS CLOCK_NS_PER_S

struct server {
    struct responder responder; /* first: what it calls back with leads here */
    struct config *config;
    const struct config_pool *pool;
    struct allow_list *allow;
    struct loop_source channel;
    int64_t next_try_ns;
    char trouble[CHANNEL_TEXT_SIZE]; /* for the page; "": nothing is told */
};

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

static void asked(struct responder_client *client)
{
    struct server *server = (struct server *)client->responder;
    struct slot *slot = server->responder.slot;
    uint8_t emergency[EMERGENCY_ANSWER_SIZE];

    if (server->trouble[0] != '\0')
        append_trouble(&client->answer, client->request.request_id, server->trouble);
    else
        strbuf_append(&client->answer, (const char *)emergency,
                      emergency_answer(emergency, client->request.request_id, 503, retry_after(server)));
    scoreboard_count(&slot->accepted);
    /* The first that is sent on a new connection: there is room for it. */
    scoreboard_count(responder_answered(client) ? &slot->error_answered : &slot->client_gone);
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
        else if (message.type == MESSAGE_DRAIN && !server->responder.leaving)
            responder_leave(&server->responder, message.drain.take_backlog, 0);
    }
    if (got == 0 || (errno != EAGAIN && errno != EBADMSG)) {
        loop_remove(server->responder.loop, &server->channel);
        responder_leave(&server->responder, false, ALONE_NS);
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

static int descriptor(const char *text)
{
    return responder_descriptor(text, "fallback");
}

static void add_listeners(struct responder *responder, char *list)
{
    for (char *rest = list, *word; (word = strtok_r(rest, ",", &rest));)
        responder_add_listener(responder, descriptor(word));
}

static void prepare(struct server *server, int config, int board, int channel, int queue)
{
    const char *wrong;
    struct scoreboard *map = scoreboard_attach(board);
    struct responder *responder = &server->responder;

    responder->loop = loop_new();
    if (!map || !responder->loop)
        fatal("the fallback can't be set up");
    server->config = config_handed(config);
    log_set_level(server->config->log.level);
    server->pool = &server->config->pools[0];
    server->allow = allow_list_new(server->pool->socket.allow.items, server->pool->socket.allow.count, &wrong);
    if (!server->allow)
        fatalx("socket.allow: \"%s\" is neither an address nor a prefix", wrong);
    responder->head_max = (size_t)server->pool->limits.header;
    responder->head_ns = server->pool->timeouts.header_ns > 0 ? server->pool->timeouts.header_ns : PATIENCE_NS;
    responder->answer_ns = PATIENCE_NS;
    responder->allow = server->allow;
    responder->slot = &map->slot[0];
    responder->asked = asked;
    if (queue >= 0)
        responder_add_queue(responder, queue,
                            handed_room(responder->head_max, (size_t)server->pool->limits.small_body));
    server->channel = (struct loop_source){ .fd = channel, .ready = channel_ready, .data = server };
    drop_privileges(server->pool);
    if (loop_add(responder->loop, &server->channel, EPOLLIN) < 0)
        fatal("epoll");
}

static void finish(struct server *server)
{
    responder_close(&server->responder);
    loop_remove(server->responder.loop, &server->channel);
    loop_free(server->responder.loop);
    allow_list_free(server->allow);
    config_release(server->config);
}

int fallback_command(int argc, char **argv)
{
    static const struct option options[] = {
        { "config-fd", required_argument, NULL, 'c' },   { "scoreboard-fd", required_argument, NULL, 's' },
        { "channel-fd", required_argument, NULL, 'm' },  { "listen-fds", required_argument, NULL, 'l' },
        { "handback-fd", required_argument, NULL, 'q' }, { 0 },
    };
    static struct server server;
    int config = -1, board = -1, channel = -1, queue = -1, option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'c': config = descriptor(optarg); break;
        case 's': board = descriptor(optarg); break;
        case 'm': channel = descriptor(optarg); break;
        case 'l': add_listeners(&server.responder, optarg); break;
        case 'q': queue = descriptor(optarg); break;
        default: return 2;
        }
    }
    if (config < 0 || board < 0 || channel < 0)
        fatalx("cowherd fallback is started by cowherd, not by hand");
    log_to_supervisor(STDERR_FILENO);
    signal(SIGPIPE, SIG_IGN);
    prepare(&server, config, board, channel, queue);
    responder_open(&server.responder);
    loop_run(server.responder.loop);
    finish(&server);
    return 0;
}
