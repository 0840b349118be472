#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "fcgi_record.h"
#include "warm_up_exchange.h"

static struct config_app apps[] = {
    { .host = "blog.example.org", .path = "/blog" },
    { .host = "*.example.org", .path = "/" },
    { .host = "*", .path = "/" },
};
static const struct config_pool pool = { .apps = apps, .app_count = 3 };
static const struct config_pool narrow = { .apps = apps, .app_count = 1 };

static void the_first_app_whose_path_begins_it(void **state)
{
    (void)state;
    assert_ptr_equal(warm_up_app(&pool, "/blog"), &apps[0]);
    assert_ptr_equal(warm_up_app(&pool, "/blog/1"), &apps[0]);
    assert_ptr_equal(warm_up_app(&pool, "/blog?page=1"), &apps[0]);
    assert_ptr_equal(warm_up_app(&pool, "/blogs"), &apps[1]);
    assert_ptr_equal(warm_up_app(&pool, "/"), &apps[1]);
    assert_null(warm_up_app(&narrow, "/"));
    assert_null(warm_up_app(&narrow, "/?/blog"));
}

static void a_host_that_it_answers_for(void **state)
{
    (void)state;
    static const char *const hosts[] = { "blog.example.org", "warm-up.example.org", "localhost" };
    for (size_t i = 0; i < 3; i++) {
        char *host = warm_up_host(&apps[i]);
        assert_string_equal(host, hosts[i]);
        free(host);
    }
}

static void expect_param(const struct strbuf *request, const char *name, const char *value)
{
    const uint8_t *bytes = (const uint8_t *)request->data + 16; /* behind BEGIN_REQUEST */
    struct fcgi_record_header header = fcgi_record_decode(bytes);
    struct fcgi_pair pair;
    size_t at = 0;
    assert_int_equal(header.type, FCGI_RECORD_PARAMS);
    while (fcgi_pair_next(bytes + FCGI_RECORD_HEADER_SIZE, header.content_length, &at, &pair) == 1) {
        if (pair.name_length != strlen(name) || memcmp(pair.name, name, pair.name_length) != 0)
            continue;
        assert_int_equal(pair.value_length, strlen(value));
        assert_memory_equal(pair.value, value, pair.value_length);
        return;
    }
    fail_msg("%s is missing", name);
}

static void a_request_as_a_front_end_sends_it(void **state)
{
    (void)state;
    struct strbuf request = { 0 };
    warm_up_request(&apps[0], "/blog/x?page=1&y", &request);
    expect_param(&request, "REQUEST_METHOD", "GET");
    expect_param(&request, "REQUEST_URI", "/blog/x?page=1&y");
    expect_param(&request, "SCRIPT_NAME", "/blog/x");
    expect_param(&request, "QUERY_STRING", "page=1&y");
    expect_param(&request, "HTTP_HOST", "blog.example.org");
    expect_param(&request, "REMOTE_ADDR", "127.0.0.1");
    strbuf_free(&request);
}

/* In whatever pieces it comes. */
static void expect_status(const struct strbuf *bytes, int status, bool failed)
{
    for (size_t piece = 1; piece <= bytes->length; piece++) {
        struct warm_up_answer answer = { 0 };
        for (size_t at = 0; at < bytes->length; at += piece) {
            assert_false(answer.ended);
            warm_up_answer_take(&answer, bytes->data + at, bytes->length - at < piece ? bytes->length - at : piece);
        }
        assert_true(answer.ended);
        assert_int_equal(answer.failed, failed);
        assert_int_equal(warm_up_answer_status(&answer), status);
        warm_up_answer_free(&answer);
    }
}

static void answer(const char *const parts[], uint8_t protocol_status, int status, bool failed)
{
    struct strbuf bytes = { 0 };
    for (size_t i = 0; parts[i] != NULL; i++)
        fcgi_record_append(&bytes, i == 1 ? FCGI_RECORD_STDERR : FCGI_RECORD_STDOUT, 1, parts[i], strlen(parts[i]));
    fcgi_record_append_end(&bytes, 1, 0, protocol_status);
    expect_status(&bytes, status, failed);
    strbuf_free(&bytes);
}

static void the_status_of_an_answer(void **state)
{
    (void)state;
    const char *const plain[] = { "Status: 503 no\r\nx: y\r\n\r\nStatus: 200", NULL };
    const char *const split[] = { "x: Status: 1\r\nsta", "Status: 500\r\n\r\n", "tus:404\r\n\r\n", "body", NULL };
    const char *const none[] = { "content-type: text/plain\r\n\r\nStatus: 500\r\n", NULL };
    const char *const empty[] = { NULL };
    answer(plain, FCGI_STATUS_REQUEST_COMPLETE, 503, false);
    answer(split, FCGI_STATUS_REQUEST_COMPLETE, 404, false);
    answer(none, FCGI_STATUS_REQUEST_COMPLETE, 200, false);
    answer(empty, FCGI_STATUS_REQUEST_COMPLETE, 200, false);
    answer(plain, FCGI_STATUS_OVERLOADED, 503, true);
}

static void what_is_no_answer(void **state)
{
    (void)state;
    struct warm_up_answer answer = { 0 };
    warm_up_answer_take(&answer, "HTTP/1.1 200 OK\r\n", 17);
    assert_true(answer.ended && answer.failed);
    warm_up_answer_free(&answer);
}

static void of_a_large_body_nothing_is_kept(void **state)
{
    (void)state;
    struct warm_up_answer answer = { 0 };
    struct strbuf record = { 0 };
    char body[60000];
    memset(body, 'x', sizeof body);
    memcpy(body, "status: 200\r\n\r\n", 15);
    fcgi_record_append(&record, FCGI_RECORD_STDOUT, 1, body, sizeof body);
    for (int i = 0; i < 100; i++)
        warm_up_answer_take(&answer, record.data, record.length);
    assert_false(answer.ended);
    assert_int_equal(answer.head.length, sizeof body);
    assert_int_equal(answer.bytes.length, 0);
    strbuf_free(&record);
    warm_up_answer_free(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_app_whose_path_begins_it),
        cmocka_unit_test(a_host_that_it_answers_for),
        cmocka_unit_test(a_request_as_a_front_end_sends_it),
        cmocka_unit_test(the_status_of_an_answer),
        cmocka_unit_test(what_is_no_answer),
        cmocka_unit_test(of_a_large_body_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
