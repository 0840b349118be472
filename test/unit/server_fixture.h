/*
 * The whole loop in a process of its own, with an app in C in place of Rack and the test as its supervisor. What the
 * worker is waiting for is read from its slot of the scoreboard. Include in one file of a test.
 */
#ifndef COWHERD_TEST_SERVER_FIXTURE_H
#define COWHERD_TEST_SERVER_FIXTURE_H

#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "answer.h"
#include "channel.h"
#include "clock.h"
#include "escrow.h"
#include "fcgi.h"
#include "fcgi_record.h"
#include "rack.h"
#include "strbuf.h"

#define PATIENCE_MS 10000
#define SHORT_NS (100 * CLOCK_NS_PER_MS)
#define LONG_NS (60 * CLOCK_NS_PER_S)

static struct config_app app_configs[] = {
    { .name = "example.org/", .host = "example.org", .path = "/" },
    { .name = "example.org/sub", .host = "example.org", .path = "/sub" },
};

static struct {
    struct config_pool pool;
    struct scoreboard *board;
    struct slot *slot;
    int escrow, handback;        /* -1: none */
    int listener, channel, gate; /* gate: the app behind /wait goes on when a byte comes here */
    struct sockaddr_storage address;
    socklen_t address_length;
    pid_t worker;
    rlim_t descriptors;
} test;

/* The app */

void rack_serve(const struct app *app, struct request *request, bool show_errors)
{
    char bytes[4096];
    ssize_t count;

    (void)show_errors;
    request->status = 200;
    if (strcmp(request->path_info, "/wait") == 0)
        assert_int_equal(read(test.gate, bytes, 1), 1);
    if (strcmp(request->path_info, "/silent") == 0) {
        request->status = 0;
        return;
    }
    snprintf(bytes, sizeof bytes, "Status: 200 OK\r\n\r\n%u|%s|%s|", app->index, request->script_name,
             request->path_info);
    request_write(request, bytes, strlen(bytes));
    if (strcmp(request->path_info, "/ignore") == 0)
        return;
    while ((count = request_read(request, bytes, sizeof bytes)) > 0)
        request_write(request, bytes, (size_t)count);
}

void rack_finish(const struct app *app, struct request *request)
{
    (void)app, (void)request;
}

/* The worker */

static inline void work(int channel)
{
    struct app apps[] = { { .config = &app_configs[0], .index = 0 }, { .config = &app_configs[1], .index = 1 } };
    struct app_set set = { .pool = &test.pool, .apps = apps, .count = 2 };
    struct server_listener listener = { .fd = test.listener, .type = test.pool.listen[0].type };
    struct server_options options = {
        .pool = &test.pool,
        .apps = &set,
        .board = test.board,
        .slot = test.slot,
        .channel = channel,
        .escrow = test.escrow,
        .handback = test.handback,
        .listeners = &listener,
        .listener_count = 1,
    };

    if (test.descriptors > 0)
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){ test.descriptors, test.descriptors });
    fcgi_init();
    server_run(&options);
    exit(0); /* so that a leak is reported */
}

static inline void start(void)
{
    struct message message;
    int descriptors[CHANNEL_DESCRIPTORS_MAX], ends[2], gate[2];
    struct pollfd ready;

    assert_int_equal(channel_pair(ends), 0);
    assert_int_equal(pipe(gate), 0);
    test.worker = fork();
    assert_int_not_equal(test.worker, -1);
    if (test.worker == 0) {
        close(ends[0]);
        close(gate[1]);
        test.gate = gate[0];
        work(ends[1]);
    }
    close(ends[1]);
    close(gate[0]);
    test.channel = ends[0];
    test.gate = gate[1];
    ready = (struct pollfd){ .fd = test.channel, .events = POLLIN };
    assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
    assert_int_equal(channel_receive(test.channel, &message, descriptors), 1);
    assert_int_equal(message.type, MESSAGE_READY);
    assert_int_equal(test.slot->state, SLOT_IDLE);
}

static inline void listen_on_unix(void)
{
    struct sockaddr_un *address = (struct sockaddr_un *)&test.address;

    /* an abstract name: nothing is left behind */
    address->sun_family = AF_UNIX;
    test.address_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                                      (size_t)sprintf(address->sun_path + 1, "cowherd-test-%d", (int)getpid()));
    test.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static inline void listen_on_tcp(void)
{
    struct sockaddr_in *address = (struct sockaddr_in *)&test.address;

    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    test.address_length = sizeof *address;
    test.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static inline int set_up(void **state)
{
    static struct config_listen listen_config;
    int board_fd;

    memset(&test, 0, sizeof test);
    test.escrow = escrow_new();
    assert_int_not_equal(test.escrow, -1);
    test.handback = -1;
    listen_config.type = *state != NULL ? LISTEN_TCP : LISTEN_UNIX;
    test.pool = (struct config_pool){
        .name = "test",
        .listen = &listen_config,
        .listen_count = 1,
        .socket = { .backlog = 1024 },
        .restart = { .drain_timeout_ns = LONG_NS },
        .timeouts = { .header_ns = LONG_NS, .body_ns = LONG_NS, .idle_ns = LONG_NS },
        .limits = { .body = 100000, .header = 4096, .small_body = 65536 },
        .apps = app_configs,
        .app_count = 2,
    };
    test.board = scoreboard_create(2, &board_fd);
    assert_non_null(test.board);
    close(board_fd);
    test.slot = &test.board->slot[0];
    if (*state != NULL)
        listen_on_tcp();
    else
        listen_on_unix();
    assert_int_equal(bind(test.listener, (struct sockaddr *)&test.address, test.address_length), 0);
    assert_int_equal(listen(test.listener, 1024), 0);
    getsockname(test.listener, (struct sockaddr *)&test.address, &test.address_length);
    return 0;
}

static inline void assert_worker_ends(void)
{
    int status = 0;
    int64_t deadline_ns = clock_monotonic_ns() + PATIENCE_MS * CLOCK_NS_PER_MS;

    while (waitpid(test.worker, &status, WNOHANG) == 0) {
        if (clock_monotonic_ns() > deadline_ns)
            fail_msg("the worker does not end");
        poll(NULL, 0, 1);
    }
    test.worker = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(test.slot->accepted, test.slot->completed + test.slot->error_answered + test.slot->client_gone);
    assert_int_equal(test.slot->connections, 0);
}

static inline int tear_down(void **state)
{
    (void)state;
    if (test.worker > 0) {
        close(test.channel);
        test.channel = -1;
        kill(test.worker, SIGTERM);
        assert_worker_ends();
    }
    if (test.channel != -1)
        close(test.channel);
    close(test.gate);
    close(test.escrow);
    if (test.handback != -1)
        close(test.handback);
    close(test.listener);
    scoreboard_detach(test.board);
    return 0;
}

/* Waits for a figure of the slot. */
#define await(field, expected)                                                                                         \
    do {                                                                                                               \
        int64_t await_until_ns = clock_monotonic_ns() + PATIENCE_MS * CLOCK_NS_PER_MS;                                 \
        while (test.slot->field != (expected)) {                                                                       \
            if (clock_monotonic_ns() > await_until_ns)                                                                 \
                fail_msg(#field " is %lld", (long long)test.slot->field);                                              \
            poll(NULL, 0, 1);                                                                                          \
        }                                                                                                              \
    } while (0)

/* The client */

static inline int client(void)
{
    int fd = socket(test.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };

    assert_int_not_equal(fd, -1);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&test.address, test.address_length), 0);
    return fd;
}

struct ask {
    const char *host, *uri, *content_length;
    bool keep, no_end;
    const char *body;
};

static inline struct strbuf encode(struct ask ask)
{
    struct strbuf bytes = { 0 }, list = { 0 };

    if (ask.host == NULL)
        ask.host = "example.org";
    fcgi_record_append_begin(&bytes, 1, FCGI_ROLE_RESPONDER, ask.keep);
    fcgi_pair_append(&list, "HTTP_HOST", 9, ask.host, strlen(ask.host));
    fcgi_pair_append(&list, "REQUEST_URI", 11, ask.uri, strlen(ask.uri));
    if (ask.content_length != NULL)
        fcgi_pair_append(&list, "CONTENT_LENGTH", 14, ask.content_length, strlen(ask.content_length));
    fcgi_record_append(&bytes, FCGI_RECORD_PARAMS, 1, list.data, list.length);
    fcgi_record_append(&bytes, FCGI_RECORD_PARAMS, 1, "", 0);
    if (ask.body != NULL)
        fcgi_record_append(&bytes, FCGI_RECORD_STDIN, 1, ask.body, strlen(ask.body));
    if (!ask.no_end)
        fcgi_record_append(&bytes, FCGI_RECORD_STDIN, 1, "", 0);
    strbuf_free(&list);
    return bytes;
}

static inline void send_bytes(int fd, struct strbuf *bytes, size_t from, size_t to)
{
    assert_int_equal(send(fd, bytes->data + from, to - from, MSG_NOSIGNAL), to - from);
}

static inline void send_ask(int fd, struct ask ask)
{
    struct strbuf bytes = encode(ask);

    send_bytes(fd, &bytes, 0, bytes.length);
    strbuf_free(&bytes);
}

static inline bool receive_exactly(int fd, void *bytes, size_t length)
{
    return length == 0 || recv(fd, bytes, length, MSG_WAITALL) == (ssize_t)length;
}

/* One answer up to its END_REQUEST; what stands behind "\r\n\r\n", or the whole of it. NULL: the connection ended. */
static inline const char *receive_answer(int fd)
{
    static char text[200000];
    uint8_t header_bytes[FCGI_RECORD_HEADER_SIZE];
    uint8_t content[65536 + 256];
    size_t length = 0;

    for (;;) {
        if (!receive_exactly(fd, header_bytes, sizeof header_bytes))
            return NULL;
        struct fcgi_record_header header = fcgi_record_decode(header_bytes);
        if (!receive_exactly(fd, content, (size_t)header.content_length + header.padding_length))
            return NULL;
        if (header.type == FCGI_RECORD_END_REQUEST)
            break;
        memcpy(text + length, content, header.content_length);
        length += header.content_length;
    }
    text[length] = '\0';
    return text;
}

static inline void assert_answer(int fd, const char *expected)
{
    const char *text = receive_answer(fd);

    if (text == NULL || strstr(text, expected) == NULL)
        fail_msg("\"%s\" in place of \"%s\"", text != NULL ? text : "(end)", expected);
}

static inline void assert_end(int fd)
{
    char byte;
    ssize_t count = recv(fd, &byte, 1, 0);

    assert_true(count == 0 || (count == -1 && errno == ECONNRESET));
    close(fd);
}

static inline void ask(struct ask what, const char *expected)
{
    int fd = client();

    send_ask(fd, what);
    assert_answer(fd, expected);
    assert_end(fd);
}

static inline void send_drain(int64_t deadline_ns, bool take_backlog)
{
    struct message message = { .type = MESSAGE_DRAIN,
                               .drain = { .deadline_ns = deadline_ns, .take_backlog = take_backlog } };

    assert_int_equal(channel_send(test.channel, &message, NULL, 0), 0);
}

static inline void expect_message(uint32_t type)
{
    struct message message;
    int descriptors[CHANNEL_DESCRIPTORS_MAX];
    struct pollfd ready = { .fd = test.channel, .events = POLLIN };

    assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
    assert_int_equal(channel_receive(test.channel, &message, descriptors), 1);
    assert_string_equal(message_name(message.type), message_name(type));
}

static inline void expect_no_message(void)
{
    struct pollfd ready = { .fd = test.channel, .events = POLLIN };

    assert_int_equal(poll(&ready, 1, 0), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TCP_TEST(name)                                                                                                 \
    {                                                                                                                  \
#name, name, set_up, tear_down, (void *)"tcp"                                                                  \
    }

#endif
