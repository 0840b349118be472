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
#include "log.h"
#include "loop.h"
#include "responder.h"
#include "status_request.h"
#include "strbuf.h"

#define HEAD_MAX 65536
#define PIECE_SIZE 16384
#define NOBODY 65534
/* For the head, for the supervisor's answer, and for taking it. */
#define PATIENCE_NS (5 * CLOCK_NS_PER_S)
/* An answer of the supervisor's serves all who ask within this time: who asks without a pause gets no more of them. */
#define FRESH_NS (50 * CLOCK_NS_PER_MS)
/* Who would answer is gone. */
#define ALONE_NS CLOCK_NS_PER_S

struct server {
    struct responder responder; /* first: what it calls back with leads here */
    struct loop_source channel; /* fd -1: the supervisor is gone */
    bool asked;                 /* the supervisor has not answered yet */
    struct {
        struct strbuf text;
        int64_t at_ns; /* 0: never */
    } known[STATUS_FORMATS];
    struct status_request requests[RESPONDER_CLIENTS_MAX]; /* of the clients in the same places */
};

static struct server *server_of(const struct responder_client *client)
{
    return (struct server *)client->responder;
}

static struct status_request *request_of(const struct responder_client *client)
{
    return &server_of(client)->requests[client - client->responder->clients];
}

static void refuse(struct responder_client *client, unsigned status)
{
    status_request_refuse(&client->answer, client->request.request_id, status, request_of(client)->head);
    responder_answered(client);
}

static bool is_fresh(const struct server *server, enum status_format format)
{
    return server->known[format].at_ns != 0 && clock_monotonic_ns() - server->known[format].at_ns < FRESH_NS;
}

static void tell(struct responder_client *client)
{
    const struct status_request *request = request_of(client);
    const struct strbuf *text = &server_of(client)->known[request->format].text;

    status_request_answer(&client->answer, client->request.request_id, request, text->data, text->length);
    responder_answered(client);
}

/* What those that wait want, one format after the other. */
static void ask_next(struct server *server)
{
    struct responder_client *client = responder_next_waiting(&server->responder, NULL);

    if (!client || server->asked || server->channel.fd < 0)
        return;
    const struct message question = { .type = MESSAGE_ASK_STATUS, .status = { .format = request_of(client)->format } };
    server->asked = channel_send(server->channel.fd, &question, NULL, 0) == 0;
}

static void asked(struct responder_client *client)
{
    struct server *server = server_of(client);
    struct status_request *request = request_of(client);

    *request = status_request_read((const uint8_t *)client->params.data, client->params.length);
    if (request->refused) {
        refuse(client, request->refused);
    } else if (is_fresh(server, request->format)) {
        tell(client);
    } else if (server->channel.fd < 0) {
        refuse(client, 503);
    } else {
        client->waiting = true;
        ask_next(server);
    }
}

static void late(struct responder_client *client)
{
    refuse(client, 503);
}

/* The supervisor is gone, or wants no status here any more. */
static void leave(struct server *server)
{
    struct responder_client *client = NULL;

    loop_remove(server->responder.loop, &server->channel);
    close(server->channel.fd);
    server->channel.fd = -1;
    while ((client = responder_next_waiting(&server->responder, client)))
        refuse(client, 503);
    responder_leave(&server->responder, false, ALONE_NS);
}

static void answered(struct server *server, uint32_t format, int fd)
{
    struct responder_client *client = NULL;
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
    while ((client = responder_next_waiting(&server->responder, client)))
        if (request_of(client)->format == format)
            tell(client);
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
    return responder_descriptor(text, "status-server");
}

static void finish(struct server *server)
{
    responder_close(&server->responder);
    if (server->channel.fd >= 0)
        loop_remove(server->responder.loop, &server->channel);
    for (size_t i = 0; i < STATUS_FORMATS; i++)
        strbuf_free(&server->known[i].text);
    loop_free(server->responder.loop);
}

int status_server_command(int argc, char **argv)
{
    static const struct option options[] = {
        { "listen-fd", required_argument, NULL, 'l' },
        { "channel-fd", required_argument, NULL, 'm' },
        { 0 },
    };
    static struct server server = {
        .responder = {
            .head_max = HEAD_MAX,
            .head_ns = PATIENCE_NS,
            .answer_ns = PATIENCE_NS,
            .keeps_params = true,
            .asked = asked,
            .late = late,
        },
    };
    int channel = -1, option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'l': responder_add_listener(&server.responder, descriptor(optarg)); break;
        case 'm': channel = descriptor(optarg); break;
        default: return 2;
        }
    }
    if (server.responder.listener_count == 0 || channel < 0)
        fatalx("cowherd status-server is started by cowherd, not by hand");
    log_to_supervisor(STDERR_FILENO);
    signal(SIGPIPE, SIG_IGN);
    drop_privileges();
    server.responder.loop = loop_new();
    if (!server.responder.loop)
        fatal("epoll");
    server.channel = (struct loop_source){ .fd = channel, .ready = channel_ready, .data = &server };
    if (loop_add(server.responder.loop, &server.channel, EPOLLIN) < 0)
        fatal("epoll");
    responder_open(&server.responder);
    loop_run(server.responder.loop);
    finish(&server);
    return 0;
}
