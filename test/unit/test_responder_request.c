/* Following the records of a request, in pieces of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "responder_request.h"

#define HEAD_MAX 1000

struct outcome {
    char steps[32]; /* one letter each: Answer, Management, Over, malformed (X) */
    uint16_t request_id;
};

static struct outcome follow(const struct strbuf *bytes, size_t piece)
{
    struct responder_request request = { 0 };
    struct outcome outcome = { .steps = "" };
    size_t count = 0;

    for (size_t at = 0; at < bytes->length;) {
        size_t length = bytes->length - at < piece ? bytes->length - at : piece, used;
        /* A copy of its own size, so that what is read behind it is found out. */
        uint8_t copy[2048];
        memcpy(copy, bytes->data + at, length);
        enum responder_step step = responder_request_feed(&request, copy, length, HEAD_MAX, &used);
        assert_in_range(used, 1, length);
        at += used;
        if (step != RESPONDER_MORE)
            outcome.steps[count++] = " AMOX"[step];
        if (step == RESPONDER_OVER || step == RESPONDER_MALFORMED)
            break;
    }
    outcome.request_id = request.request_id;
    return outcome;
}

static void expect(struct strbuf *bytes, const char *steps, uint16_t request_id)
{
    for (size_t piece = 1; piece < 60; piece++) {
        struct outcome outcome = follow(bytes, piece);
        assert_string_equal(outcome.steps, steps);
        assert_int_equal(outcome.request_id, request_id);
    }
    strbuf_free(bytes);
    *bytes = (struct strbuf){ 0 };
}

static void add_head(struct strbuf *bytes, uint16_t id)
{
    fcgi_record_append_begin(bytes, id, FCGI_ROLE_RESPONDER, 0);
    fcgi_record_append(bytes, FCGI_RECORD_PARAMS, id, "abcdefghijklmnopqrstuvwxyz", 26);
    fcgi_record_append(bytes, FCGI_RECORD_PARAMS, id, "", 0);
}

static void test_requests(void **state)
{
    struct strbuf bytes = { 0 };

    (void)state;
    add_head(&bytes, 300);
    expect(&bytes, "A", 300);
    add_head(&bytes, 1);
    fcgi_record_append(&bytes, FCGI_RECORD_STDIN, 1, "body", 4);
    expect(&bytes, "A", 1);
    add_head(&bytes, 1);
    fcgi_record_append(&bytes, FCGI_RECORD_STDIN, 1, "body", 4);
    fcgi_record_append(&bytes, FCGI_RECORD_STDIN, 1, "", 0);
    fcgi_record_append(&bytes, FCGI_RECORD_STDIN, 1, "after", 5);
    expect(&bytes, "AO", 1);
    fcgi_record_append_begin(&bytes, 9, FCGI_ROLE_RESPONDER, 1);
    fcgi_record_append(&bytes, FCGI_RECORD_ABORT_REQUEST, 9, "", 0);
    expect(&bytes, "O", 9);
}

static void test_management_and_strangers(void **state)
{
    struct strbuf bytes = { 0 };

    (void)state;
    fcgi_record_append(&bytes, FCGI_RECORD_GET_VALUES, 0, "12345", 5);
    fcgi_record_append(&bytes, 200, 0, "", 0);
    fcgi_record_append_begin(&bytes, 2, FCGI_ROLE_RESPONDER, 0);
    fcgi_record_append_begin(&bytes, 3, FCGI_ROLE_RESPONDER, 0);
    fcgi_record_append(&bytes, FCGI_RECORD_PARAMS, 3, "", 0);
    fcgi_record_append(&bytes, FCGI_RECORD_ABORT_REQUEST, 3, "", 0);
    fcgi_record_append(&bytes, FCGI_RECORD_STDIN, 2, "", 0);
    fcgi_record_append(&bytes, FCGI_RECORD_PARAMS, 2, "", 0);
    expect(&bytes, "MMA", 2);
}

static void test_what_is_left_of_the_request_before(void **state)
{
    struct strbuf bytes = { 0 };

    (void)state;
    fcgi_record_append(&bytes, FCGI_RECORD_ABORT_REQUEST, 1, "", 0);
    fcgi_record_append(&bytes, FCGI_RECORD_STDIN, 1, "", 0);
    add_head(&bytes, 1);
    expect(&bytes, "A", 1);
    fcgi_record_append(&bytes, FCGI_RECORD_STDIN, 1, "body", 4);
    expect(&bytes, "X", 0);
}

static void test_what_is_no_request(void **state)
{
    struct strbuf bytes = { 0 };

    (void)state;
    strbuf_puts(&bytes, "GET / HTTP/1.1\r\n\r\n");
    expect(&bytes, "X", 0);
    fcgi_record_append(&bytes, FCGI_RECORD_PARAMS, 1, "x", 1);
    expect(&bytes, "X", 0);
    fcgi_record_append(&bytes, FCGI_RECORD_BEGIN_REQUEST, 1, "x", 1);
    expect(&bytes, "X", 0);
    fcgi_record_append_begin(&bytes, 1, FCGI_ROLE_RESPONDER, 0);
    for (int i = 0; i < 40; i++)
        fcgi_record_append(&bytes, FCGI_RECORD_PARAMS, 1, "abcdefghijklmnopqrstuvwxyz", 26);
    expect(&bytes, "X", 1);
    for (int i = 0; i < 31; i++)
        fcgi_record_append(&bytes, FCGI_RECORD_UNKNOWN_TYPE, 1, "abcdefghijklmnopqrstuvwxyz", 26);
    expect(&bytes, "X", 0);
}

/* A body may be as long as it likes: nothing of it is kept. */
static void test_a_long_body(void **state)
{
    struct strbuf bytes = { 0 };

    (void)state;
    add_head(&bytes, 1);
    for (int i = 0; i < 20; i++)
        fcgi_record_append(&bytes, FCGI_RECORD_STDIN, 1, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", 52);
    fcgi_record_append(&bytes, FCGI_RECORD_STDIN, 1, "", 0);
    expect(&bytes, "AO", 1);
}

/* Its own, without padding, other requests' and what comes after the answer. */
static void test_keeps_the_parameters_when_asked_to(void **state)
{
    (void)state;
    struct strbuf bytes = { 0 };
    add_head(&bytes, 3);
    fcgi_record_append(&bytes, FCGI_RECORD_PARAMS, 3, "more", 4);
    for (size_t piece = 1; piece < 60; piece++) {
        struct strbuf params = { 0 };
        struct responder_request request = { .params = &params };
        for (size_t at = 0, used; at < bytes.length; at += used) {
            size_t length = bytes.length - at < piece ? bytes.length - at : piece;
            responder_request_feed(&request, (const uint8_t *)bytes.data + at, length, HEAD_MAX, &used);
        }
        assert_string_equal(params.data, "abcdefghijklmnopqrstuvwxyz");
        strbuf_free(&params);
    }
    strbuf_free(&bytes);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_management_and_strangers),
        cmocka_unit_test(test_what_is_left_of_the_request_before),
        cmocka_unit_test(test_what_is_no_request),
        cmocka_unit_test(test_a_long_body),
        cmocka_unit_test(test_keeps_the_parameters_when_asked_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
