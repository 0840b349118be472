/*
 * One exchange over a socket pair: what a client sends, an app in C, and what comes of it. Include in one file of a
 * test.
 */
#ifndef COWHERD_TEST_FCGI_FIXTURE_H
#define COWHERD_TEST_FCGI_FIXTURE_H

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

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
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

static inline void append_head(struct strbuf *out, uint16_t id, uint16_t role, int keep, const char *content_length)
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

static inline void append_body(struct strbuf *out, uint16_t id, char byte, size_t length)
{
    struct strbuf content = { 0 };

    strbuf_fill(&content, byte, length);
    fcgi_record_append(out, FCGI_RECORD_STDIN, id, content.data, content.length);
    strbuf_free(&content);
}

static inline void append_end_of_body(struct strbuf *out, uint16_t id)
{
    fcgi_record_append(out, FCGI_RECORD_STDIN, id, "", 0);
}

static inline void append_plain_request(struct strbuf *out, uint16_t id, int keep)
{
    append_head(out, id, FCGI_ROLE_RESPONDER, keep, NULL);
    append_end_of_body(out, id);
}

static inline void send_all(int fd, const char *bytes, size_t length)
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

static inline void answer(struct request *request, void *data)
{
    (void)data;
    test.answered++;
    request->body_limit = test.body_limit;
    test.app(request);
}

static inline void finish(struct request *request, void *data)
{
    (void)data;
    test.finished++;
    test.client_gone = request->client_gone;
    assert_string_equal(request_param(request, "REQUEST_METHOD"), "POST"); /* still valid */
}

/* Serves what begins at `offset` of test.bytes. */
static inline void serve_at(size_t offset, bool allow_keep, int64_t body_deadline_ns, int64_t write_wait_ns)
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

static inline void serve(void)
{
    serve_at(0, true, clock_monotonic_ns() + PATIENCE_NS, PATIENCE_NS);
}

static inline void decode(void)
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
static inline void receive(void)
{
    char bytes[65536];
    ssize_t count;

    test.received.length = test.out.length = test.err.length = 0;
    test.ends = 0;
    while ((count = recv(test.client, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        strbuf_append(&test.received, bytes, (size_t)count);
    decode();
}

static inline void assert_answer(const char *text)
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

static inline void app_hello(struct request *request)
{
    assert_int_equal(request_write(request, "hello", 5), 0);
}

static inline void app_read_all(struct request *request)
{
    char bytes[10000];
    ssize_t count;

    while ((count = request_read(request, bytes, sizeof bytes)) > 0)
        strbuf_append(&test.body, bytes, (size_t)count);
    test.read_error = count < 0 ? errno : 0;
    assert_int_equal(request->body_read, test.body.length);
    request_write(request, "read", 4);
}

static inline void app_write_much(struct request *request)
{
    char bytes[100000];

    memset(bytes, 'x', sizeof bytes);
    for (int i = 0; i < 40; i++)
        if (request_write(request, bytes, sizeof bytes) == -1) {
            test.write_error = errno;
            break;
        }
}

static inline void app_stderr(struct request *request)
{
    request_write_stderr(request, "oops", 4);
    request_write(request, "answer", 6);
}

static inline void app_flush(struct request *request)
{
    request_write(request, "one", 3);
    assert_int_equal(request_flush(request), 0);
    receive();
    assert_int_equal(test.out.length, 3);
    assert_int_equal(test.ends, 0);
    request_write(request, "two", 3);
}

static inline void app_cut_short(struct request *request)
{
    request_write(request, "half", 4);
    request_write_stderr(request, "oops", 4);
    request->cut_short = true;
}

static inline void app_nothing(struct request *request)
{
    (void)request;
}

static inline void app_params(struct request *request)
{
    assert_string_equal(request_param(request, "A"), "second");
    assert_string_equal(request_param(request, "AB"), "x=y");
    assert_string_equal(request_param(request, "EMPTY"), "");
    assert_null(request_param(request, "B"));
    assert_null(request_param(request, ""));
}

/* The gate would refuse what follows the head, were it there already: it comes later, for the walker to see. */
static inline void send_all_but_the_head(void)
{
    struct strbuf head = { 0 };

    append_head(&head, 1, FCGI_ROLE_RESPONDER, 1, "100");
    assert_memory_equal(test.bytes.data, head.data, head.length);
    send_all(test.client, test.bytes.data + head.length, test.bytes.length - head.length);
    test.bytes.length = head.length;
    strbuf_free(&head);
}

static inline int initialise(void **state)
{
    (void)state;
    fcgi_init();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
