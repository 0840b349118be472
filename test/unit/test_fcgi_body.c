/* Bodies: read by the app or left to be drained, late, too large, with something else in between. */
#include "fcgi_fixture.h"

/* For how long what an app left unread is waited for, so that the connection can be kept. */
#define DRAIN_WAIT_NS (100 * CLOCK_NS_PER_MS)

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
    if (test.after == FCGI_LINGER)
        assert_in_range(test.took_ns, DRAIN_WAIT_NS, PATIENCE_NS / 2); /* the sender had no processor */
    else
        assert_int_equal(test.after, FCGI_KEEP);
    assert_int_equal(test.remainder.rest_length, 0);
    assert_answer("hello");
    shutdown(test.server, SHUT_RDWR);
    pthread_join(thread, NULL);
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
    assert_in_range(test.took_ns, 0, PATIENCE_NS / 2);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, initialise, NULL);
}
