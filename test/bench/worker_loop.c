/*
 * The worker loop with an app in C in place of Rack: what the loop costs, without Ruby.
 *
 * usage: worker_loop SOCKET WORKERS
 *
 * Answers "/" with a hello, "/echo" with the request's body. Runs until SIGTERM or SIGINT, then drains.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "access_log.h"
#include "answer.h"
#include "channel.h"
#include "fcgi.h"
#include "escrow.h"
#include "log.h"
#include "rack.h"
#include "server.h"
#include "xalloc.h"

#define WORKERS_MAX 64

static void echo(struct request *request)
{
    char bytes[65536];
    ssize_t count;

    while ((count = request_read(request, bytes, sizeof bytes)) > 0) {
        if (request_write(request, bytes, (size_t)count) == -1)
            return;
        request->body_sent += (uint64_t)count;
    }
}

void rack_finish(const struct app *app, struct request *request)
{
    (void)app, (void)request;
}

void rack_serve(const struct app *app, struct request *request, bool show_errors)
{
    static const char head[] = "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n";
    static const char hello[] = "Hello, world\n";

    (void)app, (void)show_errors;
    request->status = 200;
    request_write(request, head, sizeof head - 1);
    if (strcmp(request->path_info, "/echo") == 0)
        echo(request);
    else if (request_write(request, hello, sizeof hello - 1) == 0)
        request->body_sent = sizeof hello - 1;
}

static int listen_on(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    unlink(path);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (fd == -1 || bind(fd, (struct sockaddr *)&address, sizeof address) == -1 || listen(fd, 1024) == -1)
        fatal("%s", path);
    return fd;
}

static void work(const char *listen_path, int listener, int handback, struct scoreboard *board, unsigned number,
                 int channel)
{
    static struct config_app app_config = { .name = "hello", .host = "*", .path = "/" };
    struct config_listen listen_config = { .type = LISTEN_UNIX, .address = (char *)listen_path };
    struct config_pool pool = {
        .name = "bench",
        .listen = &listen_config,
        .listen_count = 1,
        .socket = { .backlog = 1024 },
        .restart = { .drain_timeout_ns = INT64_C(40000000000) },
        .timeouts = { .header_ns = INT64_C(2000000000),
                      .body_ns = INT64_C(30000000000),
                      .idle_ns = INT64_C(60000000000) },
        .limits = { .body = 128 << 20, .header = 64 << 10, .small_body = 64 << 10 },
        .apps = &app_config,
        .app_count = 1,
    };
    struct app app = { .config = &app_config };
    struct app_set apps = { .pool = &pool, .apps = &app, .count = 1 };
    struct server_listener server_listener = { .fd = listener, .type = LISTEN_UNIX };
    struct server_options options = {
        .pool = &pool,
        .apps = &apps,
        .board = board,
        .slot = &board->slot[number],
        .slot_index = number,
        .channel = channel,
        .escrow = -1,
        .handback = handback,
        .listeners = &server_listener,
        .listener_count = 1,
    };

    server_run(&options);
    _exit(0);
}

int main(int argc, char **argv)
{
    int workers = argc == 3 ? atoi(argv[2]) : 0;
    int channels[WORKERS_MAX][2], board_fd, signal_number;
    sigset_t awaited, before;

    if (workers < 1 || workers > WORKERS_MAX) {
        fputs("usage: worker_loop SOCKET WORKERS\n", stderr);
        return 2;
    }
    fcgi_init();
    if (!fcgi_self_check())
        fatalx("libfcgi does not use our OS_Read and OS_Write");

    struct scoreboard *board = scoreboard_create((uint32_t)workers, &board_fd);
    int listener = listen_on(argv[1]), handback = escrow_new();
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGTERM);
    sigaddset(&awaited, SIGINT);
    sigprocmask(SIG_BLOCK, &awaited, &before);
    for (int i = 0; i < workers; i++) {
        if (channel_pair(channels[i]) == -1)
            fatal("channel_pair");
        pid_t pid = fork();
        if (pid == -1)
            fatal("fork");
        if (pid == 0) {
            for (int j = 0; j <= i; j++)
                close(channels[j][0]);
            sigprocmask(SIG_SETMASK, &before, NULL);
            work(argv[1], listener, handback, board, (unsigned)i, channels[i][1]);
        }
        close(channels[i][1]);
    }
    sigwait(&awaited, &signal_number);
    for (int i = 0; i < workers; i++)
        close(channels[i][0]); /* the workers drain as if their supervisor had gone */
    while (wait(NULL) > 0)
        continue;
    for (int i = 0; i < workers; i++) {
        const struct slot *slot = &board->slot[i];
        fprintf(stderr, "worker %d: accepted %llu completed %llu client_gone %llu malformed %llu late %llu\n", i,
                (unsigned long long)slot->accepted, (unsigned long long)slot->completed,
                (unsigned long long)slot->client_gone, (unsigned long long)slot->malformed,
                (unsigned long long)slot->late);
    }
    unlink(argv[1]);
    return 0;
}
