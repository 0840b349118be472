/* A worker serves: requests, what is late or malformed, and more connections than it can hold. */
#include "server_fixture.h"

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

    test.pool.timeouts.header_ns = 5 * SHORT_NS;
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
        TCP_TEST(test_tcp),
        TCP_TEST(test_tcp_not_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
