#include "fcgi.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "fcgi_record.h"
#include "strbuf.h"

#define LIMIT_NS (50 * CLOCK_NS_PER_MS)
#define PATIENCE_NS (20 * CLOCK_NS_PER_S)

/* One exchange: what the client sends, how the app answers, what comes of it. */
static struct {
    int client, server;
    struct strbuf bytes; /* in memory when the request is served */
    struct gate_result gate;
    struct fcgi_call call;
    enum fcgi_after after;
    struct fcgi_remainder remainder;
    _Atomic uint64_t bytes_out;

    /* what the app does */
    void (*app)(struct request *request);
    int64_t body_limit;

    /* what the app saw */
    unsigned answered, finished;
    struct strbuf body;
    int read_error, write_error;
    bool client_gone;
    int64_t took_ns;

    /* what the client got */
    struct strbuf received, out, err;
    uint16_t ended_id;
    uint8_t ended_status;
    unsigned ends;
} test;

static int set_up(void **state)
{
    int ends[2];

    (void)state;
    memset(&test, 0, sizeof test);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    test.client = ends[0];
    test.server = ends[1];
    fcntl(test.server, F_SETFL, O_NONBLOCK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (test.client != -1)
        close(test.client);
    assert_int_equal(close(test.server), 0); /* fcgi_serve never closes it */
    strbuf_free(&test.bytes);
    strbuf_free(&test.body);
    strbuf_free(&test.received);
    strbuf_free(&test.out);
    strbuf_free(&test.err);
    free(test.remainder.rest);
    return 0;
}

/* Requests */

static void append_head(struct strbuf *out, uint16_t id, uint16_t role, int keep, const char *content_length)
{
    struct strbuf list = { 0 };

    fcgi_record_append_begin(out, id, role, keep);
    fcgi_pair_append(&list, "REQUEST_METHOD", 14, "POST", 4);
    if (content_length != NULL)
        fcgi_pair_append(&list, "CONTENT_LENGTH", 14, content_length, strlen(content_length));
    fcgi_record_append(out, FCGI_RECORD_PARAMS, id, list.data, list.length);
    fcgi_record_append(out, FCGI_RECORD_PARAMS, id, "", 0);
    strbuf_free(&list);
}

static void append_body(struct strbuf *out, uint16_t id, char byte, size_t length)
{
    struct strbuf content = { 0 };

    strbuf_fill(&content, byte, length);
    fcgi_record_append(out, FCGI_RECORD_STDIN, id, content.data, content.length);
    strbuf_free(&content);
}

static void append_end_of_body(struct strbuf *out, uint16_t id)
{
    fcgi_record_append(out, FCGI_RECORD_STDIN, id, "", 0);
}

static void append_plain_request(struct strbuf *out, uint16_t id, int keep)
{
    append_head(out, id, FCGI_ROLE_RESPONDER, keep, NULL);
    append_end_of_body(out, id);
}

static void send_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t count = send(fd, bytes, length, MSG_NOSIGNAL);
        if (count <= 0)
            return;
        bytes += count;
        length -= (size_t)count;
    }
}

/* Serving */

static void answer(struct request *request, void *data)
{
    (void)data;
    test.answered++;
    request->body_limit = test.body_limit;
    test.app(request);
}

static void finish(struct request *request, void *data)
{
    (void)data;
    test.finished++;
    test.client_gone = request->client_gone;
    assert_string_equal(request_param(request, "REQUEST_METHOD"), "POST"); /* still valid */
}

/* Serves what begins at `offset` of test.bytes. */
static void serve_at(size_t offset, bool allow_keep, int64_t body_deadline_ns, int64_t write_wait_ns)
{
    const struct gate_limits limits = { .head = 4096, .small_body = 0 };

    test.call = (struct fcgi_call){
        .fd = test.server,
        .bytes = (const uint8_t *)test.bytes.data + offset,
        .length = test.bytes.length - offset,
        .gate = &test.gate,
        .body_deadline_ns = body_deadline_ns,
        .write_wait_ns = write_wait_ns,
        .allow_keep = allow_keep,
        .bytes_out = &test.bytes_out,
        .answer = answer,
        .finished = finish,
    };
    assert_int_equal(gate_inspect(test.call.bytes, test.call.length, &limits, &test.gate), GATE_READY);
    test.bytes_out = 0;

    int64_t began_ns = clock_monotonic_ns();
    test.after = fcgi_serve(&test.call, &test.remainder);
    test.took_ns = clock_monotonic_ns() - began_ns;
    assert_int_not_equal(fcntl(test.server, F_GETFD), -1);
}

static void serve(void)
{
    serve_at(0, true, clock_monotonic_ns() + PATIENCE_NS, PATIENCE_NS);
}

static void decode(void)
{
    const uint8_t *bytes = (const uint8_t *)test.received.data;
    size_t offset = 0;

    while (offset < test.received.length) {
        struct fcgi_record_header header = fcgi_record_decode(bytes + offset);
        const uint8_t *content = bytes + offset + FCGI_RECORD_HEADER_SIZE;
        offset += FCGI_RECORD_HEADER_SIZE + header.content_length + header.padding_length;
        assert_in_range(offset, 0, test.received.length);
        if (header.type == FCGI_RECORD_END_REQUEST) {
            test.ends++;
            test.ended_id = header.request_id;
            test.ended_status = content[4];
        } else {
            assert_int_equal(header.request_id, test.gate.request_id);
            strbuf_append(header.type == FCGI_RECORD_STDOUT ? &test.out : &test.err, content, header.content_length);
        }
    }
}

/* All that has come; the server's end stays open. */
static void receive(void)
{
    char bytes[65536];
    ssize_t count;

    test.received.length = test.out.length = test.err.length = 0;
    test.ends = 0;
    while ((count = recv(test.client, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        strbuf_append(&test.received, bytes, (size_t)count);
    decode();
}

static void assert_answer(const char *text)
{
    receive();
    assert_int_equal(test.answered, test.finished);
    assert_int_equal(test.bytes_out, test.received.length);
    assert_int_equal(test.ends, 1);
    assert_int_equal(test.ended_id, test.gate.request_id);
    assert_int_equal(test.ended_status, FCGI_STATUS_REQUEST_COMPLETE);
    assert_int_equal(test.out.length, strlen(text));
    assert_memory_equal(test.out.data, text, strlen(text));
}

/* Apps */

static void app_hello(struct request *request)
{
    assert_int_equal(request_write(request, "hello", 5), 0);
}

static void app_read_all(struct request *request)
{
    char bytes[10000];
    ssize_t count;

    while ((count = request_read(request, bytes, sizeof bytes)) > 0)
        strbuf_append(&test.body, bytes, (size_t)count);
    test.read_error = count < 0 ? errno : 0;
    assert_int_equal(request->body_read, test.body.length);
    request_write(request, "read", 4);
}

static void app_write_much(struct request *request)
{
    char bytes[100000];

    memset(bytes, 'x', sizeof bytes);
    for (int i = 0; i < 40; i++)
        if (request_write(request, bytes, sizeof bytes) == -1) {
            test.write_error = errno;
            break;
        }
}

static void app_stderr(struct request *request)
{
    request_write_stderr(request, "oops", 4);
    request_write(request, "answer", 6);
}

static void app_flush(struct request *request)
{
    request_write(request, "one", 3);
    assert_int_equal(request_flush(request), 0);
    receive();
    assert_int_equal(test.out.length, 3);
    assert_int_equal(test.ends, 0);
    request_write(request, "two", 3);
}

static void app_cut_short(struct request *request)
{
    request_write(request, "half", 4);
    request_write_stderr(request, "oops", 4);
    request->cut_short = true;
}

static void app_nothing(struct request *request)
{
    (void)request;
}

static void app_params(struct request *request)
{
    assert_string_equal(request_param(request, "A"), "second");
    assert_string_equal(request_param(request, "AB"), "x=y");
    assert_string_equal(request_param(request, "EMPTY"), "");
    assert_null(request_param(request, "B"));
    assert_null(request_param(request, ""));
}

/* The gate would refuse what follows the head, were it there already: it comes later, for the walker to see. */
static void send_all_but_the_head(void)
{
    struct strbuf head = { 0 };

    append_head(&head, 1, FCGI_ROLE_RESPONDER, 1, "100");
    assert_memory_equal(test.bytes.data, head.data, head.length);
    send_all(test.client, test.bytes.data + head.length, test.bytes.length - head.length);
    test.bytes.length = head.length;
    strbuf_free(&head);
}

/* Tests */

static void test_self_check(void **state)
{
    (void)state;
    assert_true(fcgi_self_check());
    assert_true(fcgi_self_check());
}

static void test_requests_one_after_the_other(void **state)
{
    (void)state;
    size_t offset = 0;

    test.app = app_hello;
    for (uint16_t id = 1; id <= 3; id++)
        append_plain_request(&test.bytes, id, 1);
    for (unsigned i = 0; i < 3; i++) {
        serve_at(offset, true, 0, 0);
        assert_int_equal(test.after, FCGI_KEEP);
        assert_int_equal(test.remainder.used, test.gate.request_length);
        assert_null(test.remainder.rest);
        offset += test.remainder.used;
        assert_answer("hello");
    }
    assert_int_equal(offset, test.bytes.length);
    assert_int_equal(test.answered, 3);
}

static void test_not_kept(void **state)
{
    (void)state;
    test.app = app_hello;
    append_plain_request(&test.bytes, 1, 0);
    serve();
    assert_int_equal(test.after, FCGI_CLOSE);
    assert_answer("hello");

    test.bytes.length = 0;
    append_plain_request(&test.bytes, 1, 1);
    serve_at(0, false, 0, 0);
    assert_int_equal(test.after, FCGI_CLOSE);
    assert_answer("hello");
}

static void test_empty_answer(void **state)
{
    (void)state;
    test.app = app_nothing;
    append_plain_request(&test.bytes, 1, 1);
    serve();
    assert_int_equal(test.after, FCGI_KEEP);
    assert_answer("");
}

static void test_parameters(void **state)
{
    (void)state;
    struct strbuf list = { 0 };

    test.app = app_params;
    fcgi_record_append_begin(&test.bytes, 1, FCGI_ROLE_RESPONDER, 1);
    fcgi_pair_append(&list, "A", 1, "first", 5);
    fcgi_pair_append(&list, "AB", 2, "x=y", 3);
    fcgi_pair_append(&list, "REQUEST_METHOD", 14, "POST", 4);
    fcgi_pair_append(&list, "EMPTY", 5, "", 0);
    fcgi_pair_append(&list, "A", 1, "second", 6);
    fcgi_record_append(&test.bytes, FCGI_RECORD_PARAMS, 1, list.data, list.length);
    fcgi_record_append(&test.bytes, FCGI_RECORD_PARAMS, 1, "", 0);
    append_end_of_body(&test.bytes, 1);
    serve();
    assert_answer("");
    strbuf_free(&list);
}

/* libfcgi loses its place on padding behind BEGIN_REQUEST and behind the records that close a stream. */
static void test_padding_everywhere(void **state)
{
    (void)state;
    struct strbuf plain = { 0 };
    size_t offset = 0;

    append_head(&plain, 1, FCGI_ROLE_RESPONDER, 1, NULL);
    append_body(&plain, 1, 'b', 5);
    append_end_of_body(&plain, 1);
    for (uint8_t padding = 1; offset < plain.length; padding = (uint8_t)(padding + 50)) {
        struct fcgi_record_header header = fcgi_record_decode((uint8_t *)plain.data + offset);
        size_t start = test.bytes.length;
        strbuf_append(&test.bytes, plain.data + offset, FCGI_RECORD_HEADER_SIZE + header.content_length);
        test.bytes.data[start + 6] = (char)padding;
        strbuf_fill(&test.bytes, '\7', padding);
        offset += FCGI_RECORD_HEADER_SIZE + header.content_length;
    }
    strbuf_free(&plain);

    size_t first = test.bytes.length;
    append_plain_request(&test.bytes, 2, 1);
    test.app = app_read_all;
    serve();
    assert_int_equal(test.after, FCGI_KEEP);
    assert_int_equal(test.remainder.used, first);
    assert_string_equal(test.body.data, "bbbbb");
    assert_answer("read");
}

static void test_authorizer(void **state)
{
    (void)state;
    test.app = app_read_all;
    append_head(&test.bytes, 1, FCGI_ROLE_AUTHORIZER, 1, "5");
    serve();
    assert_int_equal(test.after, FCGI_KEEP);
    assert_int_equal(test.body.length, 0);
    assert_int_equal(test.read_error, 0);
    assert_int_equal(test.remainder.used, test.bytes.length);
    assert_answer("read");
}

static void test_stderr(void **state)
{
    (void)state;
    test.app = app_stderr;
    append_plain_request(&test.bytes, 1, 1);
    serve();
    assert_answer("answer");
    assert_string_equal(test.err.data, "oops");
}

static void test_flush(void **state)
{
    (void)state;
    test.app = app_flush;
    append_plain_request(&test.bytes, 1, 1);
    serve();
    receive();
    assert_int_equal(test.out.length, 3);
    assert_memory_equal(test.out.data, "two", 3);
    assert_int_equal(test.ends, 1);
}

static void test_cut_short(void **state)
{
    (void)state;
    test.app = app_cut_short;
    append_plain_request(&test.bytes, 1, 1);
    serve();
    assert_int_equal(test.after, FCGI_CLOSE);
    receive();
    assert_string_equal(test.out.data, "half");
    assert_string_equal(test.err.data, "oops");
    assert_int_equal(test.ends, 0);
    assert_false(test.client_gone);
    assert_int_equal(test.finished, 1);
}

struct sender {
    struct strbuf bytes;
    size_t piece;
};

static void *send_in_pieces(void *data)
{
    struct sender *sender = data;

    for (size_t offset = 0; offset < sender->bytes.length; offset += sender->piece) {
        size_t left = sender->bytes.length - offset;
        send_all(test.client, sender->bytes.data + offset, left < sender->piece ? left : sender->piece);
    }
    return NULL;
}

static void assert_body_is(size_t length)
{
    assert_int_equal(test.read_error, 0);
    assert_int_equal(test.body.length, length);
    for (size_t i = 0; i < length; i++)
        if (test.body.data[i] != 'b')
            fail_msg("byte %zu of the body is %02x", i, (unsigned)test.body.data[i]);
}

static void test_body_in_pieces(void **state)
{
    (void)state;
    const size_t pieces[] = { 1, 7, 4096, 100000 };

    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct sender sender = { .piece = pieces[i] };
        size_t length = 300 * (pieces[i] < 1000 ? pieces[i] * 10 : 1000);
        pthread_t thread;

        test.app = app_read_all;
        test.bytes.length = test.body.length = 0;
        append_head(&test.bytes, 1, FCGI_ROLE_RESPONDER, 1, NULL);
        append_body(&sender.bytes, 1, 'b', length);
        append_end_of_body(&sender.bytes, 1);
        pthread_create(&thread, NULL, send_in_pieces, &sender);
        serve();
        pthread_join(thread, NULL);
        assert_body_is(length);
        assert_int_equal(test.after, FCGI_KEEP);
        assert_answer("read");
        strbuf_free(&sender.bytes);
        free(test.remainder.rest);
        test.remainder.rest = NULL;
    }
}

/* The next request comes with the end of a body that is read from the socket. */
static void test_next_request_behind_a_body(void **state)
{
    (void)state;
    struct strbuf late = { 0 };
    struct strbuf next = { 0 };

    append_head(&test.bytes, 1, FCGI_ROLE_RESPONDER, 1, NULL);
    append_body(&late, 1, 'b', 1000);
    append_end_of_body(&late, 1);
    append_plain_request(&next, 2, 1);
    strbuf_append(&late, next.data, next.length);
    send_all(test.client, late.data, late.length);
    test.app = app_read_all;
    serve();
    assert_body_is(1000);
    assert_int_equal(test.after, FCGI_KEEP);
    assert_int_equal(test.remainder.rest_length, next.length);
    assert_memory_equal(test.remainder.rest, next.data, next.length);
    strbuf_free(&late);
    strbuf_free(&next);
}

static void test_unread_body_in_memory(void **state)
{
    (void)state;
    test.app = app_hello;
    append_head(&test.bytes, 1, FCGI_ROLE_RESPONDER, 1, NULL);
    append_body(&test.bytes, 1, 'b', 70000);
    append_end_of_body(&test.bytes, 1);
    size_t length = test.bytes.length;
    append_plain_request(&test.bytes, 2, 1);
    serve();
    assert_int_equal(test.after, FCGI_KEEP);
    assert_int_equal(test.remainder.used, length);
    assert_answer("hello");
}

static void test_unread_body_in_the_socket(void **state)
{
    (void)state;
    struct sender sender = { .piece = 65536 };
    pthread_t thread;

    test.app = app_hello;
    append_head(&test.bytes, 1, FCGI_ROLE_RESPONDER, 1, NULL);
    append_body(&sender.bytes, 1, 'b', 900000);
    append_end_of_body(&sender.bytes, 1);
    pthread_create(&thread, NULL, send_in_pieces, &sender);
    serve();
    pthread_join(thread, NULL);
    assert_int_equal(test.after, FCGI_KEEP);
    assert_int_equal(test.remainder.rest_length, 0);
    assert_answer("hello");
    strbuf_free(&sender.bytes);
}

static void test_unread_body_too_large(void **state)
{
    (void)state;
    struct sender sender = { .piece = 65536 };
    pthread_t thread;

    test.app = app_hello;
    append_head(&test.bytes, 1, FCGI_ROLE_RESPONDER, 1, "4000000");
    append_body(&sender.bytes, 1, 'b', 4000000);
    pthread_create(&thread, NULL, send_in_pieces, &sender);
    serve();
    assert_int_equal(test.after, FCGI_LINGER);
    assert_answer("hello");
    shutdown(test.server, SHUT_RDWR);
    pthread_join(thread, NULL);
    strbuf_free(&sender.bytes);
}

/* Nobody waits for what a client does not send. */
static void test_unread_body_that_does_not_come(void **state)
{
    (void)state;
    test.app = app_hello;
    append_head(&test.bytes, 1, FCGI_ROLE_RESPONDER, 1, "10");
    serve();
    assert_int_equal(test.after, FCGI_LINGER);
    assert_in_range(test.took_ns, 0, 2 * CLOCK_NS_PER_S);
    assert_answer("hello");

    test.bytes.length = 0;
    append_head(&test.bytes, 1, FCGI_ROLE_RESPONDER, 0, "10");
    serve();
    assert_int_equal(test.after, FCGI_LINGER);
    assert_answer("hello");
}

static void test_body_limit(void **state)
{
    (void)state;
    for (size_t length = 999; length <= 1001; length++) {
        test.bytes.length = test.body.length = 0;
        test.app = app_read_all;
        test.body_limit = 1000;
        append_head(&test.bytes, 1, FCGI_ROLE_RESPONDER, 1, NULL);
        append_body(&test.bytes, 1, 'b', length);
        append_end_of_body(&test.bytes, 1);
        serve();
        assert_int_equal(test.read_error, length <= 1000 ? 0 : EFBIG);
        assert_int_equal(test.body.length, length <= 1000 ? length : 1000);
        assert_int_equal(test.after, FCGI_KEEP);
        assert_answer("read");
    }
}

static void test_abort_inside_a_body(void **state)
{
    (void)state;
    struct strbuf next = { 0 };

    test.app = app_read_all;
    append_head(&test.bytes, 1, FCGI_ROLE_RESPONDER, 1, "100");
    append_body(&test.bytes, 1, 'b', 10);
    fcgi_record_append(&test.bytes, FCGI_RECORD_ABORT_REQUEST, 1, "", 0);
    append_plain_request(&next, 2, 1);
    strbuf_append(&test.bytes, next.data, next.length);
    send_all_but_the_head();
    serve();
    assert_int_equal(test.body.length, 10);
    assert_int_equal(test.read_error, ECONNRESET);
    assert_true(test.client_gone);
    assert_int_equal(test.after, FCGI_KEEP);
    assert_int_equal(test.remainder.rest_length, next.length);
    assert_memory_equal(test.remainder.rest, next.data, next.length);
    strbuf_free(&next);
    receive();
    assert_int_equal(test.ends, 1);
    assert_int_equal(test.ended_id, 1);
}

static void test_second_request_inside_a_body(void **state)
{
    (void)state;
    struct strbuf expected = { 0 };

    test.app = app_read_all;
    append_head(&test.bytes, 1, FCGI_ROLE_RESPONDER, 1, "100");
    append_body(&test.bytes, 1, 'b', 10);
    append_head(&test.bytes, 2, FCGI_ROLE_RESPONDER, 1, NULL);
    append_body(&test.bytes, 1, 'b', 10);
    append_end_of_body(&test.bytes, 2);
    append_end_of_body(&test.bytes, 1);
    send_all_but_the_head();
    serve();
    assert_body_is(20);
    assert_int_equal(test.after, FCGI_CLOSE);
    receive();
    assert_int_equal(test.ends, 2);
    assert_int_equal(test.ended_id, 1);
    fcgi_record_append_end(&expected, 2, 0, FCGI_STATUS_CANT_MULTIPLEX);
    assert_memory_equal(test.received.data, expected.data, expected.length);
    strbuf_free(&expected);
}

static void test_malformed_inside_a_body(void **state)
{
    (void)state;
    static const uint8_t types[][2] = {
        { FCGI_RECORD_GET_VALUES, 0 },    { FCGI_RECORD_PARAMS, 1 }, { FCGI_RECORD_DATA, 1 },
        { FCGI_RECORD_STDIN, 2 },         { FCGI_RECORD_STDIN, 0 },  { FCGI_RECORD_BEGIN_REQUEST, 1 },
        { FCGI_RECORD_ABORT_REQUEST, 2 }, { FCGI_RECORD_STDIN, 1 },
    };

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        test.bytes.length = test.body.length = 0;
        test.app = app_read_all;
        append_head(&test.bytes, 1, FCGI_ROLE_RESPONDER, 1, "100");
        append_body(&test.bytes, 1, 'b', 10);
        size_t end = test.bytes.length;
        fcgi_record_append(&test.bytes, types[i][0], types[i][1], "12345678", 8);
        if (types[i][0] == FCGI_RECORD_STDIN && types[i][1] == 1)
            test.bytes.data[end] = 2; /* the version */
        append_end_of_body(&test.bytes, 1);
        send_all_but_the_head();
        serve();
        assert_int_equal(test.read_error, EPROTO);
        assert_int_equal(test.body.length, 10);
        assert_int_equal(test.after, FCGI_CLOSE);
        assert_answer("read");
    }
}

static void test_client_leaves_inside_a_body(void **state)
{
    (void)state;
    test.app = app_read_all;
    append_head(&test.bytes, 1, FCGI_ROLE_RESPONDER, 1, "100");
    append_body(&test.bytes, 1, 'b', 10);
    close(test.client);
    test.client = -1;
    serve();
    assert_int_equal(test.read_error, ECONNRESET);
    assert_int_equal(test.body.length, 10);
    assert_true(test.client_gone);
    assert_int_equal(test.after, FCGI_CLOSE);
    assert_int_equal(test.finished, 1);
}

static void test_body_deadline(void **state)
{
    (void)state;
    test.app = app_read_all;
    append_head(&test.bytes, 1, FCGI_ROLE_RESPONDER, 1, "100");
    append_body(&test.bytes, 1, 'b', 10);
    serve_at(0, true, clock_monotonic_ns() + LIMIT_NS, PATIENCE_NS);
    assert_int_equal(test.read_error, ETIMEDOUT);
    assert_int_equal(test.body.length, 10);
    assert_false(test.client_gone);
    assert_int_equal(test.after, FCGI_LINGER);
    assert_in_range(test.took_ns, LIMIT_NS, PATIENCE_NS / 2);
    assert_answer("read");
}

static void *trickle(void *data)
{
    struct strbuf record = { 0 };

    append_body(&record, 1, 'b', 1);
    while (!*(_Atomic bool *)data) {
        send_all(test.client, record.data, record.length);
        usleep(1000); /* the pace of a slow client is what is tested */
    }
    strbuf_free(&record);
    return NULL;
}

static void test_body_deadline_ends_a_trickle(void **state)
{
    (void)state;
    _Atomic bool stop = false;
    pthread_t thread;

    test.app = app_read_all;
    append_head(&test.bytes, 1, FCGI_ROLE_RESPONDER, 1, "100000");
    pthread_create(&thread, NULL, trickle, &stop);
    serve_at(0, false, clock_monotonic_ns() + LIMIT_NS, PATIENCE_NS);
    stop = true;
    pthread_join(thread, NULL);
    assert_int_equal(test.read_error, ETIMEDOUT);
    assert_in_range(test.took_ns, LIMIT_NS, PATIENCE_NS / 2);
}

static void *read_slowly(void *data)
{
    char bytes[5000];
    ssize_t count;

    (void)data;
    while ((count = recv(test.client, bytes, sizeof bytes, 0)) > 0)
        strbuf_append(&test.received, bytes, (size_t)count);
    return NULL;
}

static void test_more_than_the_socket_holds(void **state)
{
    (void)state;
    pthread_t thread;

    test.app = app_write_much;
    append_plain_request(&test.bytes, 1, 1);
    pthread_create(&thread, NULL, read_slowly, NULL);
    serve();
    shutdown(test.server, SHUT_WR);
    pthread_join(thread, NULL);
    assert_int_equal(test.write_error, 0);
    assert_int_equal(test.after, FCGI_KEEP);
    assert_int_equal(test.bytes_out, test.received.length);
    decode();
    assert_int_equal(test.out.length, 4000000);
    assert_int_equal(test.ends, 1);
}

static void test_write_deadline(void **state)
{
    (void)state;
    test.app = app_write_much;
    append_plain_request(&test.bytes, 1, 1);
    serve_at(0, true, 0, LIMIT_NS);
    assert_int_equal(test.write_error, EPIPE);
    assert_true(test.client_gone);
    assert_int_equal(test.after, FCGI_CLOSE);
    assert_in_range(test.took_ns, LIMIT_NS, PATIENCE_NS / 2);
    assert_int_not_equal(test.bytes_out, 0);
    assert_int_equal(test.finished, 1);
}

static void test_client_leaves_before_the_answer(void **state)
{
    (void)state;
    close(test.client);
    test.client = -1;
    test.app = app_hello; /* buffered: the app does not notice */
    append_plain_request(&test.bytes, 1, 1);
    serve();
    assert_true(test.client_gone);
    assert_int_equal(test.bytes_out, 0);
    assert_int_equal(test.after, FCGI_CLOSE);
}

static int initialise(void **state)
{
    (void)state;
    fcgi_init();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_self_check),
        TEST(test_requests_one_after_the_other),
        TEST(test_not_kept),
        TEST(test_empty_answer),
        TEST(test_parameters),
        TEST(test_padding_everywhere),
        TEST(test_authorizer),
        TEST(test_stderr),
        TEST(test_flush),
        TEST(test_cut_short),
        TEST(test_body_in_pieces),
        TEST(test_next_request_behind_a_body),
        TEST(test_unread_body_in_memory),
        TEST(test_unread_body_in_the_socket),
        TEST(test_unread_body_too_large),
        TEST(test_unread_body_that_does_not_come),
        TEST(test_body_limit),
        TEST(test_abort_inside_a_body),
        TEST(test_second_request_inside_a_body),
        TEST(test_malformed_inside_a_body),
        TEST(test_client_leaves_inside_a_body),
        TEST(test_body_deadline),
        TEST(test_body_deadline_ends_a_trickle),
        TEST(test_more_than_the_socket_holds),
        TEST(test_write_deadline),
        TEST(test_client_leaves_before_the_answer),
    };
    return cmocka_run_group_tests(tests, initialise, NULL);
}
