#include "status_server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "clock.h"
#include "log.h"
#include "names.h"
#include "obituary.h"
#include "spawn_mold.h"
#include "state_text.h"
#include "status.h"
#include "status_metrics.h"
#include "supervisor.h"

#define AGAIN_NS CLOCK_NS_PER_S
#define BACKLOG 64
/* As open as a loopback address is: the folder of the socket says who may come to it. */
#define MODE 0666

static void describe(void *data, const char *app, char *source, size_t size)
{
    const struct status_server *server = data;
    (void)app;
    snprintf(source, size, "status %ld", (long)server->pid);
}

static void close_channel(struct status_server *server)
{
    if (server->channel.fd < 0)
        return;
    loop_remove(server->supervisor->loop, &server->channel);
    close(server->channel.fd);
    server->channel.fd = -1;
}

static void answer(struct status_server *server, uint32_t format)
{
    struct strbuf text = { 0 };
    struct message message = { .type = MESSAGE_STATUS, .status = { .format = format } };
    switch (format) {
    case STATUS_JSON: status_json(server->supervisor, &text); break;
    case STATUS_METRICS: status_metrics(server->supervisor, &text); break;
    default: status_table(server->supervisor, &text); break;
    }
    int fd = spawn_memfd("cowherd-status", text.data, text.length);
    if (fd < 0 || channel_send(server->channel.fd, &message, &fd, 1) < 0) {
        log_warn("status: a question can't be answered");
        close_channel(server); /* it leaves, and another one is started */
    }
    if (fd >= 0)
        close(fd);
    strbuf_free(&text);
}

static void read_channel(struct status_server *server)
{
    struct message message;
    int descriptors[CHANNEL_DESCRIPTORS_MAX];
    while (server->channel.fd >= 0) {
        int got = channel_receive(server->channel.fd, &message, descriptors);
        if (got > 0) {
            for (unsigned i = 0; i < message_descriptors(message.type); i++)
                close(descriptors[i]);
            if (message.type == MESSAGE_ASK_STATUS)
                answer(server, message.status.format);
        } else {
            if (got == 0 || (errno != EAGAIN && errno != EBADMSG))
                close_channel(server);
            return;
        }
    }
}

static void channel_ready(void *data, uint32_t events)
{
    (void)events;
    read_channel(data);
}

static bool watch(struct status_server *server, int channel, int output)
{
    server->channel = (struct loop_source){ .fd = channel, .ready = channel_ready, .data = server };
    if (output >= 0 && output_open(&server->output, server->supervisor->loop, output, describe, server) < 0)
        log_warn("status: the output of its process can't be read");
    return channel < 0 || loop_add(server->supervisor->loop, &server->channel, EPOLLIN) == 0;
}

static void start(struct status_server *server, int64_t now)
{
    int channel[2] = { -1, -1 }, pipe_ends[2] = { -1, -1 };
    pid_t pid = -1;

    server->not_before_ns = now + AGAIN_NS;
    if (channel_pair(channel) == 0 && pipe2(pipe_ends, O_CLOEXEC) == 0)
        pid = spawn_status_server(server->listener->fd, channel[1], pipe_ends[1]);
    if (pid > 0) {
        server->pid = pid;
        log_debug("status: process %ld serves %s", (long)pid, server->listener->address);
        if (!watch(server, channel[0], pipe_ends[0])) {
            log_warn("status: its process can't be watched");
            kill(pid, SIGKILL);
        }
    } else {
        log_warn("status: its process can't be started");
        if (channel[0] >= 0)
            close(channel[0]);
        if (pipe_ends[0] >= 0)
            close(pipe_ends[0]);
    }
    if (channel[1] >= 0)
        close(channel[1]);
    if (pipe_ends[1] >= 0)
        close(pipe_ends[1]);
}

/* It finishes what it has, and leaves at the end of its channel. */
static void let_go(struct status_server *server)
{
    read_channel(server);
    close_channel(server);
    output_close(&server->output);
    server->pid = 0;
    server->not_before_ns = 0;
    if (server->listener)
        listener_release_pool(&server->set, server->listener);
    server->listener = NULL;
}

static struct listener *acquire(struct status_server *server, const char *address)
{
    const struct config_socket settings = { .mode = MODE, .backlog = BACKLOG };
    struct config_listen where = { 0 };
    struct strbuf error = { 0 };
    const char *problem = name_parse_listen(address, "/", &where);
    struct listener *listener = problem ? NULL : listener_acquire(&server->set, &where, 0, &settings, &error);
    if (!listener && !server->complained)
        log_warnx("status: %s; it is tried again%s%s", problem ? problem : error.data,
                  server->listener ? ", and meanwhile served on " : "",
                  server->listener ? server->listener->address : "");
    server->complained = !listener;
    listen_free(&where);
    strbuf_free(&error);
    return listener;
}

void status_server_init(struct status_server *server, struct supervisor *supervisor)
{
    *server = (struct status_server){ .supervisor = supervisor, .channel = { .fd = -1 } };
}

void status_server_look(struct status_server *server, int watch)
{
    const struct supervisor *supervisor = server->supervisor;
    const char *address = supervisor->config->status_listen;
    int64_t now = clock_monotonic_ns();

    /* A predecessor has the address for as long as it has the control socket. */
    if (supervisor->take_control || supervisor->state == SUPERVISOR_STOPPING)
        return;
    if (server->listener && !address)
        let_go(server);
    bool missing = server->listener && listener_look(server->listener, watch) == LISTENER_FILE_MISSING;
    if (missing)
        log_warnx("status: %s was removed, and is bound anew", server->listener->address);
    if (address && (!server->listener || missing || strcmp(server->listener->address, address) != 0)) {
        struct listener *listener = acquire(server, address);
        if (listener) {
            let_go(server);
            server->listener = listener;
        }
    }
    if (server->listener && server->pid == 0 && now >= server->not_before_ns)
        start(server, now);
}

void status_server_configured(struct status_server *server)
{
    server->complained = false;
    status_server_look(server, -1);
}

bool status_server_reaped(struct status_server *server, pid_t pid, int status)
{
    if (pid != server->pid || pid == 0)
        return false;
    output_close(&server->output);
    log_warnx("status: its process (pid %ld) ended: %s; another one is started", (long)pid, obituary_cause(status));
    close_channel(server);
    server->pid = 0;
    status_server_look(server, -1);
    return true;
}

void status_server_save(const struct status_server *server, struct state_writer *writer)
{
    if (!server->listener)
        return;
    state_put_record(writer, "status_server");
    listener_save(server->listener, writer);
    state_put_number(writer, "pid", server->pid);
    if (server->channel.fd >= 0)
        state_put_descriptor(writer, "channel", server->channel.fd);
    if (server->output.open)
        state_put_descriptor(writer, "output", server->output.source.fd);
}

void status_server_adopt(struct status_server *server, struct supervisor *supervisor, struct state_reader *reader)
{
    status_server_init(server, supervisor);
    struct listener *listener = listener_adopt(reader);
    if (!listener)
        return;
    server->set.first = server->listener = listener;
    listener->pools = listener->holders = 1;
    server->pid = (pid_t)state_number(reader, "pid", 0);
    int channel = state_descriptor(reader, "channel");
    if (!watch(server, channel, state_descriptor(reader, "output")))
        state_error(reader, "the status server can't be watched");
}

void status_server_close(struct status_server *server)
{
    pid_t pid = server->pid;
    let_go(server);
    if (pid > 0 && kill(pid, SIGKILL) == 0)
        waitpid(pid, NULL, 0);
}
