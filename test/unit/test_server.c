/*
 * The whole loop in a process of its own, with an app in C in place of Rack and the test as its supervisor. What the
 * worker is waiting for is read from its slot of the scoreboard.
 */
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

/* The worker */

static void work(int channel)
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
        .listeners = &listener,
        .listener_count = 1,
    };

    if (test.descriptors > 0)
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){ test.descriptors, test.descriptors });
    fcgi_init();
    server_run(&options);
    exit(0); /* so that a leak is reported */
}

static void start(void)
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

static void listen_on_unix(void)
{
    struct sockaddr_un *address = (struct sockaddr_un *)&test.address;

    /* an abstract name: nothing is left behind */
    address->sun_family = AF_UNIX;
    test.address_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                                      (size_t)sprintf(address->sun_path + 1, "cowherd-test-%d", (int)getpid()));
    test.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static void listen_on_tcp(void)
{
    struct sockaddr_in *address = (struct sockaddr_in *)&test.address;

    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    test.address_length = sizeof *address;
    test.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int set_up(void **state)
{
    static struct config_listen listen_config;
    int board_fd;

    memset(&test, 0, sizeof test);
    listen_config.type = *state != NULL ? LISTEN_TCP : LISTEN_UNIX;
    test.pool = (struct config_pool){
        .name = "test",
        .listen = &listen_config,
        .listen_count = 1,
        .socket = { .backlog = 1024 },
        .restart = { .drain_timeout_ns = LONG_NS },
        .timeouts = { .header_ns = LONG_NS, .body_ns = LONG_NS, .idle_ns = LONG_NS },
        .limits = { .body = 100000, .header = 4096 },
        .apps = app_configs,
        .app_count = 2,
    };
    test.board = scoreboard_create(1, &board_fd);
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

static void assert_worker_ends(void)
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

static int tear_down(void **state)
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

static int client(void)
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

static struct strbuf encode(struct ask ask)
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

static void send_bytes(int fd, struct strbuf *bytes, size_t from, size_t to)
{
    assert_int_equal(send(fd, bytes->data + from, to - from, MSG_NOSIGNAL), to - from);
}

static void send_ask(int fd, struct ask ask)
{
    struct strbuf bytes = encode(ask);

    send_bytes(fd, &bytes, 0, bytes.length);
    strbuf_free(&bytes);
}

static bool receive_exactly(int fd, void *bytes, size_t length)
{
    return length == 0 || recv(fd, bytes, length, MSG_WAITALL) == (ssize_t)length;
}

/* One answer up to its END_REQUEST; what stands behind "\r\n\r\n", or the whole of it. NULL: the connection ended. */
static const char *receive_answer(int fd)
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

static void assert_answer(int fd, const char *expected)
{
    const char *text = receive_answer(fd);

    if (text == NULL || strstr(text, expected) == NULL)
        fail_msg("\"%s\" in place of \"%s\"", text != NULL ? text : "(end)", expected);
}

static void assert_end(int fd)
{
    char byte;
    ssize_t count = recv(fd, &byte, 1, 0);

    assert_true(count == 0 || (count == -1 && errno == ECONNRESET));
    close(fd);
}

static void ask(struct ask what, const char *expected)
{
    int fd = client();

    send_ask(fd, what);
    assert_answer(fd, expected);
    assert_end(fd);
}

static void send_drain(int64_t deadline_ns, bool take_backlog)
{
    struct message message = { .type = MESSAGE_DRAIN,
                               .drain = { .deadline_ns = deadline_ns, .take_backlog = take_backlog } };

    assert_int_equal(channel_send(test.channel, &message, NULL, 0), 0);
}

/* Tests */

static void test_routing(void **state)
{
    (void)state;
    start();
    ask((struct ask){ .uri = "/a%20b?x" }, "200 OK\r\n\r\n0||/a b|");
    ask((struct ask){ .uri = "/sub/c" }, "1|/sub|/c|");
    ask((struct ask){ .uri = "/sub" }, "1|/sub||");
    ask((struct ask){ .uri = "/subway" }, "0||/subway|");
    ask((struct ask){ .uri = "/", .host = "EXAMPLE.org:80" }, "0||/|");
    ask((struct ask){ .uri = "/", .host = "example.net" }, "Status: 404");
    ask((struct ask){ .uri = "no-path" }, "Status: 400");
    ask((struct ask){ .uri = "/%00" }, "Status: 400");
    ask((struct ask){ .uri = "/silent" }, "Status: 500");
    ask((struct ask){ .uri = "/", .body = "body" }, "0||/|body");
    await(accepted, 10);
    assert_int_equal(test.slot->completed, 9);
    assert_int_equal(test.slot->error_answered, 1);
    assert_int_equal(test.slot->request_sequence, 10);
    assert_int_equal(test.slot->request_started_ns, 0);
    assert_int_equal(test.slot->request_fd, -1);
    assert_int_equal(test.slot->state, SLOT_IDLE);
    await(connections, 0);
}

static void test_slot_during_a_request(void **state)
{
    (void)state;
    int fd;

    start();
    fd = client();
    send_ask(fd, (struct ask){ .uri = "/sub/wait" });
    await(state, SLOT_BUSY);
    await(app, 1);
    assert_int_not_equal(test.slot->request_started_ns, 0);
    assert_int_equal(test.slot->request_bytes_out, 0);
    assert_int_not_equal(test.slot->request_fd, -1);
    assert_int_equal(test.slot->accepted, 1);
    assert_int_equal(test.slot->completed, 0);
    assert_int_equal(write(test.gate, "g", 1), 1);
    assert_answer(fd, "1|/sub|/wait|");
    await(state, SLOT_IDLE);
    assert_int_not_equal(test.slot->request_bytes_out, 0);
    assert_int_equal(test.slot->completed, 1);
    assert_end(fd);
}

static void test_client_gone(void **state)
{
    (void)state;
    int fd;

    start();
    fd = client();
    send_ask(fd, (struct ask){ .uri = "/wait" });
    await(state, SLOT_BUSY);
    close(fd);
    assert_int_equal(write(test.gate, "g", 1), 1);
    await(client_gone, 1);
    assert_int_equal(test.slot->completed, 0);
}

static void test_kept_connection(void **state)
{
    (void)state;
    int fd;

    start();
    fd = client();
    for (int i = 0; i < 3; i++) {
        send_ask(fd, (struct ask){ .uri = "/k", .keep = true, .body = "b" });
        assert_answer(fd, "0||/k|b");
    }
    await(connections, 1);
    ask((struct ask){ .uri = "/other" }, "0||/other|");
    /* two at once, the second one in two pieces */
    struct strbuf bytes = encode((struct ask){ .uri = "/one", .keep = true });
    struct strbuf second = encode((struct ask){ .uri = "/two", .keep = true });
    strbuf_append(&bytes, second.data, second.length);
    send_bytes(fd, &bytes, 0, bytes.length - 20);
    assert_answer(fd, "0||/one|");
    send_bytes(fd, &bytes, bytes.length - 20, bytes.length);
    assert_answer(fd, "0||/two|");
    send_ask(fd, (struct ask){ .uri = "/last" });
    assert_answer(fd, "0||/last|");
    assert_end(fd);
    strbuf_free(&bytes);
    strbuf_free(&second);
}

/* A stale ABORT and an unread body between the requests of a connection; GET_VALUES before one. */
static void test_between_requests(void **state)
{
    (void)state;
    struct strbuf bytes = { 0 };
    uint8_t header[FCGI_RECORD_HEADER_SIZE];
    char content[256];
    int fd;

    start();
    fd = client();
    fcgi_pair_append(&bytes, "FCGI_MPXS_CONNS", 15, "", 0);
    struct strbuf record = { 0 };
    fcgi_record_append(&record, FCGI_RECORD_GET_VALUES, 0, bytes.data, bytes.length);
    send_bytes(fd, &record, 0, record.length);
    assert_true(receive_exactly(fd, header, sizeof header));
    assert_int_equal(header[1], FCGI_RECORD_GET_VALUES_RESULT);
    assert_true(receive_exactly(fd, content, fcgi_record_decode(header).content_length));
    assert_memory_equal(content, "\17\1FCGI_MPXS_CONNS0", 18);
    assert_int_equal(test.slot->management, 1);

    send_ask(fd, (struct ask){ .uri = "/ignore", .keep = true, .body = "nobody reads this" });
    assert_answer(fd, "0||/ignore|");
    record.length = 0;
    fcgi_record_append(&record, FCGI_RECORD_ABORT_REQUEST, 1, "", 0);
    send_bytes(fd, &record, 0, record.length);
    send_ask(fd, (struct ask){ .uri = "/next", .keep = true });
    assert_answer(fd, "0||/next|");
    close(fd);
    await(connections, 0);
    assert_int_equal(test.slot->malformed, 0);
    strbuf_free(&bytes);
    strbuf_free(&record);
}

static void test_malformed(void **state)
{
    (void)state;
    int fd;

    start();
    fd = client();
    assert_int_equal(send(fd, "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL), 18);
    assert_end(fd);
    await(malformed, 1);
    fd = client();
    assert_int_equal(send(fd, "\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0\1\4\0\1\377\377\0\0", 24, MSG_NOSIGNAL), 24);
    assert_end(fd);
    await(malformed, 2);
    ask((struct ask){ .uri = "/" }, "0||/|");
    assert_int_equal(test.slot->accepted, 1);
}

/* Clients that stop at every possible place hold nothing up, and are waited for. */
static void test_halves(void **state)
{
    (void)state;
    struct strbuf bytes = encode((struct ask){ .uri = "/half", .body = "body" });
    int *fds = calloc(bytes.length, sizeof *fds);

    start();
    for (size_t i = 0; i < bytes.length; i++) {
        fds[i] = client();
        if (i > 0)
            send_bytes(fds[i], &bytes, 0, i);
    }
    await(connections, bytes.length);
    ask((struct ask){ .uri = "/" }, "0||/|");
    for (size_t i = 0; i < bytes.length; i++) {
        send_bytes(fds[i], &bytes, i, bytes.length);
        assert_answer(fds[i], "0||/half|body");
        assert_end(fds[i]);
    }
    assert_int_equal(test.slot->accepted, bytes.length + 1);
    free(fds);
    strbuf_free(&bytes);
}

static void test_head_deadline(void **state)
{
    (void)state;
    struct strbuf bytes = encode((struct ask){ .uri = "/" });
    int silent, half;

    test.pool.timeouts.header_ns = SHORT_NS;
    start();
    silent = client();
    half = client();
    send_bytes(half, &bytes, 0, 30);
    assert_end(silent);
    assert_end(half);
    await(late, 2);
    assert_int_equal(test.slot->accepted, 0);
    strbuf_free(&bytes);
}

static void test_idle_deadline(void **state)
{
    (void)state;
    int fd;

    test.pool.timeouts.idle_ns = SHORT_NS;
    start();
    fd = client();
    send_ask(fd, (struct ask){ .uri = "/", .keep = true });
    assert_answer(fd, "0||/|");
    assert_end(fd);
    await(late, 1);
    assert_int_equal(test.slot->completed, 1);
}

/* A small body that does not come is answered with 408, and holds up nobody. */
static void test_small_body_deadline(void **state)
{
    (void)state;
    int fd;

    test.pool.timeouts.body_ns = 5 * SHORT_NS;
    start();
    fd = client();
    send_ask(fd, (struct ask){ .uri = "/", .body = "half", .no_end = true, .keep = true });
    await(connections, 1);
    ask((struct ask){ .uri = "/" }, "0||/|");
    assert_answer(fd, "Status: 408");
    assert_end(fd);
    assert_int_equal(test.slot->late, 0);
    assert_int_equal(test.slot->completed, 2);
}

static void test_body_too_large(void **state)
{
    (void)state;
    char *body = calloc(1, 300001);
    struct strbuf bytes;
    int fd;

    memset(body, 'b', 300000);
    start();
    ask((struct ask){ .uri = "/", .content_length = "100001" }, "0||/|"); /* it lied: what comes counts */
    fd = client();
    send_ask(fd, (struct ask){ .uri = "/", .content_length = "100001", .no_end = true });
    assert_answer(fd, "Status: 413");
    close(fd);
    /* The whole body is sent before the answer is read: it must not be lost. */
    bytes = encode((struct ask){ .uri = "/", .content_length = "300000", .body = body });
    fd = client();
    send_bytes(fd, &bytes, 0, bytes.length);
    assert_answer(fd, "Status: 413");
    close(fd);
    strbuf_free(&bytes);
    await(connections, 0);
    body[100000] = '\0';
    ask((struct ask){ .uri = "/", .body = body }, "0||/|bbbb");
    free(body);
}

/* When all descriptors are taken, idle kept connections give way, the longest idle one first. */
static void test_connection_limit(void **state)
{
    (void)state;
    int fds[76];

    test.descriptors = 140; /* 76 connections */
    start();
    for (size_t i = 0; i < 76; i++) {
        fds[i] = client();
        send_ask(fds[i], (struct ask){ .uri = "/", .keep = true });
        assert_answer(fds[i], "0||/|");
    }
    assert_int_equal(test.slot->connections, 76);
    ask((struct ask){ .uri = "/new" }, "0||/new|");
    assert_end(fds[0]);
    send_ask(fds[1], (struct ask){ .uri = "/old", .keep = true });
    assert_answer(fds[1], "0||/old|");
    for (size_t i = 1; i < 76; i++)
        close(fds[i]);
    await(connections, 0);
}

/* When nothing can give way, new clients wait in the queue until a connection ends. */
static void test_connection_limit_without_idle_ones(void **state)
{
    (void)state;
    int fds[76], waiting;

    test.descriptors = 140;
    start();
    for (size_t i = 0; i < 76; i++)
        fds[i] = client();
    await(connections, 76);
    waiting = client();
    send_ask(waiting, (struct ask){ .uri = "/waited" });
    send_ask(fds[5], (struct ask){ .uri = "/", .keep = true }); /* the others are served all the while */
    assert_answer(fds[5], "0||/|");
    close(fds[6]);
    assert_answer(waiting, "0||/waited|");
    assert_end(waiting);
    for (size_t i = 0; i < 76; i++)
        if (i != 6)
            close(fds[i]);
    await(connections, 0);
}

static void test_drain(void **state)
{
    (void)state;
    struct strbuf bytes = encode((struct ask){ .uri = "/half", .keep = true });
    int idle, half, fresh, late;

    start();
    idle = client();
    send_ask(idle, (struct ask){ .uri = "/", .keep = true });
    assert_answer(idle, "0||/|");
    half = client();
    send_bytes(half, &bytes, 0, 30);
    fresh = client();
    await(connections, 3);
    send_drain(clock_monotonic_ns() + LONG_NS, false);
    await(state, SLOT_DRAINING);
    assert_end(idle);
    late = client(); /* stays in the queue, for other workers */
    send_bytes(half, &bytes, 30, bytes.length);
    assert_answer(half, "0||/half|");
    assert_end(half);
    await(connections, 1);
    send_ask(fresh, (struct ask){ .uri = "/fresh", .keep = true });
    assert_answer(fresh, "0||/fresh|");
    assert_end(fresh);
    assert_worker_ends();
    assert_int_equal(test.slot->accepted, 3);
    close(late);
    strbuf_free(&bytes);
}

static void test_drain_with_backlog(void **state)
{
    (void)state;
    int busy, kept, queued[20];

    start();
    kept = client();
    send_ask(kept, (struct ask){ .uri = "/", .keep = true });
    assert_answer(kept, "0||/|");
    busy = client();
    send_ask(busy, (struct ask){ .uri = "/wait" });
    await(state, SLOT_BUSY);
    for (size_t i = 0; i < 20; i++) {
        queued[i] = client();
        send_ask(queued[i], (struct ask){ .uri = "/queued", .keep = true });
    }
    send_ask(kept, (struct ask){ .uri = "/kept", .keep = true });
    send_drain(clock_monotonic_ns() + LONG_NS, true);
    assert_int_equal(write(test.gate, "g", 1), 1);
    assert_answer(busy, "0||/wait|");
    assert_end(busy);
    for (size_t i = 0; i < 20; i++) {
        assert_answer(queued[i], "0||/queued|");
        assert_end(queued[i]);
    }
    assert_answer(kept, "0||/kept|");
    assert_end(kept);
    assert_worker_ends();
    assert_int_equal(test.slot->completed, 23);
}

static void test_drain_deadline(void **state)
{
    (void)state;
    int fd;

    start();
    fd = client();
    await(connections, 1);
    send_drain(clock_monotonic_ns() + SHORT_NS, false);
    assert_end(fd);
    assert_worker_ends();
}

static void test_supervisor_gone(void **state)
{
    (void)state;
    int fd;

    start();
    fd = client();
    send_ask(fd, (struct ask){ .uri = "/wait" });
    await(state, SLOT_BUSY);
    close(test.channel);
    test.channel = -1;
    assert_int_equal(write(test.gate, "g", 1), 1);
    assert_answer(fd, "0||/wait|");
    assert_end(fd);
    assert_worker_ends();
}

static void test_sigterm(void **state)
{
    (void)state;
    int fd;

    start();
    fd = client();
    send_ask(fd, (struct ask){ .uri = "/wait" });
    await(state, SLOT_BUSY);
    kill(test.worker, SIGTERM);
    assert_int_equal(write(test.gate, "g", 1), 1);
    assert_answer(fd, "0||/wait|");
    assert_end(fd);
    assert_worker_ends();
}

static void expect_message(uint32_t type)
{
    struct message message;
    int descriptors[CHANNEL_DESCRIPTORS_MAX];
    struct pollfd ready = { .fd = test.channel, .events = POLLIN };

    assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
    assert_int_equal(channel_receive(test.channel, &message, descriptors), 1);
    assert_string_equal(message_name(message.type), message_name(type));
}

static void expect_no_message(void)
{
    struct pollfd ready = { .fd = test.channel, .events = POLLIN };

    assert_int_equal(poll(&ready, 1, 0), 0);
}

static void test_request_limit(void **state)
{
    (void)state;
    int late;

    test.slot->request_limit = 3;
    start();
    ask((struct ask){ .uri = "/1" }, "0||/1|");
    expect_no_message();
    ask((struct ask){ .uri = "/2" }, "0||/2|");
    expect_message(MESSAGE_ALMOST_DONE);
    ask((struct ask){ .uri = "/3" }, "0||/3|");
    late = client(); /* for others */
    send_ask(late, (struct ask){ .uri = "/4" });
    expect_message(MESSAGE_SPENT);
    assert_worker_ends();
    assert_int_equal(test.slot->accepted, 3);
    close(late);
}

static void test_request_limit_announced_early(void **state)
{
    (void)state;

    test.slot->request_limit = 60;
    start();
    for (int i = 1; i < 57; i++)
        ask((struct ask){ .uri = "/" }, "0||/|");
    expect_no_message();
    ask((struct ask){ .uri = "/" }, "0||/|");
    expect_message(MESSAGE_ALMOST_DONE);
    ask((struct ask){ .uri = "/" }, "0||/|");
    ask((struct ask){ .uri = "/" }, "0||/|");
    expect_no_message();
    ask((struct ask){ .uri = "/" }, "0||/|");
    expect_message(MESSAGE_SPENT);
    assert_worker_ends();
    assert_int_equal(test.slot->accepted, 60);
}

/* Each of the connections that were accepted has its request; who comes then waits for others, or for one to give up.
 */
static void test_request_limit_is_reserved(void **state)
{
    (void)state;
    int silent[2], queued, last;

    test.slot->request_limit = 2;
    start();
    silent[0] = client();
    silent[1] = client();
    await(connections, 2);
    queued = client();
    send_ask(queued, (struct ask){ .uri = "/queued" });
    expect_no_message();
    assert_int_equal(test.slot->accepted, 0);
    close(silent[0]);
    assert_answer(queued, "0||/queued|");
    assert_end(queued);
    expect_message(MESSAGE_ALMOST_DONE);
    last = client();
    send_ask(last, (struct ask){ .uri = "/too-late" });
    send_ask(silent[1], (struct ask){ .uri = "/reserved" });
    assert_answer(silent[1], "0||/reserved|");
    assert_end(silent[1]);
    expect_message(MESSAGE_SPENT);
    assert_worker_ends();
    assert_int_equal(test.slot->accepted, 2);
    close(last);
}

/* Requests that stand one behind the other on a kept connection pass the limit; idle ones are closed. */
static void test_request_limit_with_kept_connections(void **state)
{
    (void)state;
    struct strbuf bytes = { 0 };
    int idle, busy;

    test.slot->request_limit = 3;
    start();
    idle = client();
    send_ask(idle, (struct ask){ .uri = "/", .keep = true });
    assert_answer(idle, "0||/|");
    busy = client();
    for (int i = 0; i < 4; i++) {
        struct strbuf one = encode((struct ask){ .uri = "/more", .keep = true });
        strbuf_append(&bytes, one.data, one.length);
        strbuf_free(&one);
    }
    send_bytes(busy, &bytes, 0, bytes.length);
    for (int i = 0; i < 4; i++)
        assert_answer(busy, "0||/more|");
    assert_end(busy);
    assert_end(idle);
    expect_message(MESSAGE_ALMOST_DONE);
    expect_message(MESSAGE_SPENT);
    assert_worker_ends();
    assert_int_equal(test.slot->accepted, 5);
    strbuf_free(&bytes);
}

static void test_request_limit_is_lifted(void **state)
{
    (void)state;

    test.slot->request_limit = 2;
    start();
    ask((struct ask){ .uri = "/" }, "0||/|");
    test.slot->request_limit = 0;
    for (int i = 0; i < 5; i++)
        ask((struct ask){ .uri = "/" }, "0||/|");
    assert_int_equal(test.slot->state, SLOT_IDLE);
}

static void test_measure(void **state)
{
    (void)state;
    struct message message = { .type = MESSAGE_MEASURE };
    int descriptors[CHANNEL_DESCRIPTORS_MAX];
    struct pollfd ready;

    start();
    assert_int_equal(channel_send(test.channel, &message, NULL, 0), 0);
    ready = (struct pollfd){ .fd = test.channel, .events = POLLIN };
    assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
    assert_int_equal(channel_receive(test.channel, &message, descriptors), 1);
    assert_int_equal(message.type, MESSAGE_MEASURED);
    assert_in_range(message.measured.rss, 100000, UINT32_MAX);
}

static void test_access_log(void **state)
{
    (void)state;
    struct message message = { .type = MESSAGE_ACCESS_LOG };
    char line[256] = "";
    int log[2];

    start();
    assert_int_equal(pipe(log), 0);
    assert_int_equal(channel_send(test.channel, &message, &log[1], 1), 0);
    close(log[1]);
    /* The message may come after the request: asked until there is a line. */
    struct pollfd ready = { .fd = log[0], .events = POLLIN };
    for (int i = 0; i < 1000 && poll(&ready, 1, 10) == 0; i++)
        ask((struct ask){ .uri = "/logged" }, "0||/logged|");
    assert_true(read(log[0], line, sizeof line - 1) > 0);
    assert_non_null(strstr(line, " /logged "));
    close(log[0]);
}

static void test_tcp(void **state)
{
    (void)state;
    char *allowed[] = { "192.0.2.1", "127.0.0.0/8" };

    test.pool.socket.allow = (struct config_strings){ allowed, 2 };
    start();
    ask((struct ask){ .uri = "/tcp" }, "0||/tcp|");
    await(connections, 0);
}

static void test_tcp_not_allowed(void **state)
{
    (void)state;
    char *allowed[] = { "192.0.2.1" };

    test.pool.socket.allow = (struct config_strings){ allowed, 1 };
    start();
    assert_end(client());
    assert_int_equal(test.slot->accepted, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TCP_TEST(name)                                                                                                 \
    {                                                                                                                  \
#name, name, set_up, tear_down, (void *)"tcp"                                                                  \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_routing),
        TEST(test_slot_during_a_request),
        TEST(test_client_gone),
        TEST(test_kept_connection),
        TEST(test_between_requests),
        TEST(test_malformed),
        TEST(test_halves),
        TEST(test_head_deadline),
        TEST(test_idle_deadline),
        TEST(test_small_body_deadline),
        TEST(test_body_too_large),
        TEST(test_connection_limit),
        TEST(test_connection_limit_without_idle_ones),
        TEST(test_drain),
        TEST(test_drain_with_backlog),
        TEST(test_drain_deadline),
        TEST(test_supervisor_gone),
        TEST(test_sigterm),
        TEST(test_request_limit),
        TEST(test_request_limit_announced_early),
        TEST(test_request_limit_is_reserved),
        TEST(test_request_limit_with_kept_connections),
        TEST(test_request_limit_is_lifted),
        TEST(test_measure),
        TEST(test_access_log),
        TCP_TEST(test_tcp),
        TCP_TEST(test_tcp_not_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
