/* Requests and answers through libfcgi. */
#include "fcgi_fixture.h"

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
    assert_int_equal(test.after, FCGI_CLOSE);
}

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
        TEST(test_more_than_the_socket_holds),
        TEST(test_write_deadline),
        TEST(test_client_leaves_before_the_answer),
    };
    return cmocka_run_group_tests(tests, initialise, NULL);
}
