#include "gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fcgi_record.h"
#include "strbuf.h"

#define HEAD_MAX 4096
#define BODY_MAX 1024
#define ANSWER_HEADER FCGI_RECORD_HEADER_SIZE

static const struct gate_limits limits = { .head = HEAD_MAX, .small_body = BODY_MAX };
static struct strbuf bytes;
static struct gate_result result;

static int tear_down(void **state)
{
    (void)state;
    strbuf_free(&bytes);
    return 0;
}

/* Bytes in an allocation of their own size: a look behind them is seen by valgrind and AddressSanitizer. */
static enum gate_verdict inspect_exactly(const void *data, size_t length)
{
    uint8_t *copy = malloc(length + (length == 0));

    if (length > 0)
        memcpy(copy, data, length);
    enum gate_verdict verdict = gate_inspect(copy, length, &limits, &result);
    free(copy);
    return verdict;
}

static enum gate_verdict inspect(void)
{
    return inspect_exactly(bytes.data, bytes.length);
}

static void pair(struct strbuf *list, const char *name, const char *value)
{
    fcgi_pair_append(list, name, strlen(name), value, strlen(value));
}

static void record(uint8_t type, uint16_t id, const void *content, size_t length)
{
    fcgi_record_append(&bytes, type, id, content, length);
}

static void padded_record(uint8_t type, uint16_t id, const void *content, size_t length, uint8_t padding)
{
    size_t start = bytes.length;

    record(type, id, content, length);
    bytes.data[start + 6] = (char)padding;
    strbuf_fill(&bytes, 'p', padding);
}

static void params(uint16_t id, const void *list, size_t length)
{
    if (length > 0)
        record(FCGI_RECORD_PARAMS, id, list, length);
    record(FCGI_RECORD_PARAMS, id, "", 0);
}

static void head(uint16_t role, const char *content_length)
{
    struct strbuf list = { 0 };

    fcgi_record_append_begin(&bytes, 1, role, 1);
    pair(&list, "REQUEST_METHOD", "POST");
    pair(&list, "REQUEST_URI", "/a?b");
    if (content_length != NULL)
        pair(&list, "CONTENT_LENGTH", content_length);
    params(1, list.data, list.length);
    strbuf_free(&list);
}

static void body(size_t length)
{
    struct strbuf content = { 0 };

    strbuf_fill(&content, 'x', length);
    if (length > 0)
        record(FCGI_RECORD_STDIN, 1, content.data, content.length);
    strbuf_free(&content);
}

static void end_of_body(void)
{
    record(FCGI_RECORD_STDIN, 1, "", 0);
}

static void test_ready(void **state)
{
    (void)state;
    head(FCGI_ROLE_RESPONDER, "3");

    size_t head_length = bytes.length;
    body(3);
    end_of_body();
    size_t request_length = bytes.length;
    strbuf_puts(&bytes, "\1\1next");
    assert_int_equal(inspect(), GATE_READY);
    assert_int_equal(result.head_length, head_length);
    assert_int_equal(result.request_length, request_length);
    assert_int_equal(result.body_length, 3);
    assert_int_equal(result.request_id, 1);
    assert_int_equal(result.role, FCGI_ROLE_RESPONDER);
    assert_true(result.keep_connection);
    assert_true(result.body_complete);
}

static void test_every_truncation_is_partial(void **state)
{
    (void)state;
    struct strbuf list = { 0 };
    struct strbuf value = { 0 };

    strbuf_fill(&value, 'v', 300); /* a length of four bytes */
    fcgi_record_append_begin(&bytes, 258, FCGI_ROLE_RESPONDER, 0);
    pair(&list, "LONG", value.data);
    pair(&list, "EMPTY", "");
    padded_record(FCGI_RECORD_PARAMS, 258, list.data, list.length, 7);
    padded_record(FCGI_RECORD_PARAMS, 258, "", 0, 5);
    size_t head_length = bytes.length;
    padded_record(FCGI_RECORD_STDIN, 258, "body", 4, 3);
    padded_record(FCGI_RECORD_STDIN, 258, "", 0, 8);

    for (size_t length = 0; length < bytes.length; length++) {
        assert_int_equal(inspect_exactly(bytes.data, length), GATE_PARTIAL);
        assert_int_equal(result.head_length, length < head_length ? 0 : head_length);
    }
    assert_int_equal(inspect(), GATE_READY);
    assert_int_equal(result.request_length, bytes.length);
    assert_false(result.keep_connection);
    strbuf_free(&list);
    strbuf_free(&value);
}

/* Names, values and their lengths cut at every place by the border of two records. */
static void test_pairs_across_records(void **state)
{
    (void)state;
    struct strbuf list = { 0 };

    pair(&list, "CONTENT_LENGTH", "2000");
    pair(&list, "B", "value");
    for (size_t cut = 1; cut < list.length; cut++) {
        bytes.length = 0;
        fcgi_record_append_begin(&bytes, 1, FCGI_ROLE_RESPONDER, 0);
        record(FCGI_RECORD_PARAMS, 1, list.data, cut);
        params(1, list.data + cut, list.length - cut);
        assert_int_equal(inspect(), GATE_READY); /* announced as a large body: not waited for */
        assert_false(result.body_complete);
    }
    strbuf_free(&list);
}

static void test_large_body_is_not_waited_for(void **state)
{
    (void)state;
    head(FCGI_ROLE_RESPONDER, "1025");
    assert_int_equal(inspect(), GATE_READY);
    assert_false(result.body_complete);
    assert_int_equal(result.request_length, 0);

    bytes.length = 0;
    head(FCGI_ROLE_RESPONDER, "1024");
    assert_int_equal(inspect(), GATE_PARTIAL);

    /* What was announced does not matter when it is no number, or wrong. */
    const char *announced[] = { NULL, "", "-1", "7", "abc", "99999999999999999999999" };
    for (size_t i = 0; i < sizeof announced / sizeof announced[0]; i++) {
        bytes.length = 0;
        head(FCGI_ROLE_RESPONDER, announced[i]);
        assert_int_equal(inspect(), GATE_PARTIAL);
        body(900);
        assert_int_equal(inspect(), GATE_PARTIAL);
        body(120);
        assert_int_equal(inspect(), GATE_READY);
        assert_false(result.body_complete);
    }

    /* A record that is only announced counts too. */
    bytes.length = 0;
    head(FCGI_ROLE_RESPONDER, NULL);
    size_t start = bytes.length;
    body(5000);
    assert_int_equal(inspect_exactly(bytes.data, start + ANSWER_HEADER), GATE_READY);
}

static void test_wait_for_no_body(void **state)
{
    (void)state;
    const struct gate_limits no_waiting = { .head = HEAD_MAX, .small_body = 0 };

    head(FCGI_ROLE_RESPONDER, "3");
    assert_int_equal(gate_inspect((uint8_t *)bytes.data, bytes.length, &no_waiting, &result), GATE_READY);
    assert_false(result.body_complete);
}

static void test_authorizer_comes_without_stdin(void **state)
{
    (void)state;
    head(FCGI_ROLE_AUTHORIZER, "3");
    assert_int_equal(inspect(), GATE_READY);
    assert_true(result.body_complete);
    assert_int_equal(result.request_length, bytes.length);
    assert_int_equal(result.role, FCGI_ROLE_AUTHORIZER);
}

static void assert_end_request(enum gate_verdict verdict, uint16_t id, uint8_t status)
{
    struct strbuf answer = { 0 }, expected = { 0 };

    gate_answer((uint8_t *)bytes.data, verdict, &result, 9, &answer);
    fcgi_record_append_end(&expected, id, 0, status);
    assert_int_equal(answer.length, expected.length);
    assert_memory_equal(answer.data, expected.data, expected.length);
    strbuf_free(&answer);
    strbuf_free(&expected);
}

static void test_other_roles_are_refused(void **state)
{
    (void)state;
    const uint16_t roles[] = { FCGI_ROLE_FILTER, 0, 4, 65535 };

    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        bytes.length = 0;
        head(roles[i], NULL);
        assert_int_equal(inspect_exactly(bytes.data, bytes.length - 1), GATE_PARTIAL);
        assert_int_equal(inspect(), GATE_REFUSED);
        assert_true(result.close);
        assert_end_request(GATE_REFUSED, 1, FCGI_STATUS_UNKNOWN_ROLE);
    }
}

static void test_second_request_is_refused(void **state)
{
    (void)state;
    head(FCGI_ROLE_RESPONDER, NULL);
    fcgi_record_append_begin(&bytes, 7, FCGI_ROLE_RESPONDER, 1);
    assert_int_equal(inspect(), GATE_REFUSED);
    assert_true(result.close);
    assert_end_request(GATE_REFUSED, 7, FCGI_STATUS_CANT_MULTIPLEX);

    bytes.length = 0;
    fcgi_record_append_begin(&bytes, 1, FCGI_ROLE_RESPONDER, 1);
    fcgi_record_append_begin(&bytes, 2, FCGI_ROLE_RESPONDER, 1);
    assert_int_equal(inspect(), GATE_REFUSED);
    assert_end_request(GATE_REFUSED, 2, FCGI_STATUS_CANT_MULTIPLEX);
}

static void test_aborted_before_it_was_whole(void **state)
{
    (void)state;
    head(FCGI_ROLE_RESPONDER, "10");
    body(4);
    record(FCGI_RECORD_ABORT_REQUEST, 1, "", 0);
    size_t end = bytes.length;
    head(FCGI_ROLE_RESPONDER, "0");
    assert_int_equal(inspect_exactly(bytes.data, end - 1), GATE_PARTIAL);
    assert_int_equal(inspect(), GATE_REFUSED);
    assert_int_equal(result.consumed, end);
    assert_false(result.close);
    assert_end_request(GATE_REFUSED, 1, FCGI_STATUS_REQUEST_COMPLETE);

    bytes.length = 0;
    fcgi_record_append_begin(&bytes, 1, FCGI_ROLE_RESPONDER, 1);
    padded_record(FCGI_RECORD_ABORT_REQUEST, 1, "", 0, 9);
    assert_int_equal(inspect(), GATE_REFUSED);
    assert_int_equal(result.consumed, bytes.length);
}

static void test_stale(void **state)
{
    (void)state;
    const uint8_t types[] = { FCGI_RECORD_ABORT_REQUEST, FCGI_RECORD_STDIN, FCGI_RECORD_DATA };

    for (size_t i = 0; i < sizeof types; i++) {
        bytes.length = 0;
        padded_record(types[i], 5, "", 0, 4);
        size_t length = bytes.length;
        assert_int_equal(inspect_exactly(bytes.data, length - 1), GATE_PARTIAL);
        head(FCGI_ROLE_RESPONDER, NULL);
        assert_int_equal(inspect(), GATE_STALE);
        assert_int_equal(result.consumed, length);
    }
}

static void get_values(const char *const *names, size_t count)
{
    struct strbuf list = { 0 };

    for (size_t i = 0; i < count; i++)
        pair(&list, names[i], "");
    record(FCGI_RECORD_GET_VALUES, 0, list.data, list.length);
    strbuf_free(&list);
}

static void assert_values(const char *const *names, const char *const *values, size_t count)
{
    struct strbuf answer = { 0 }, list = { 0 }, expected = { 0 };

    gate_answer((uint8_t *)bytes.data, GATE_MANAGEMENT, &result, 960, &answer);
    for (size_t i = 0; i < count; i++)
        pair(&list, names[i], values[i]);
    fcgi_record_append(&expected, FCGI_RECORD_GET_VALUES_RESULT, 0, list.data, list.length);
    assert_int_equal(answer.length, expected.length);
    assert_memory_equal(answer.data, expected.data, expected.length);
    strbuf_free(&answer);
    strbuf_free(&list);
    strbuf_free(&expected);
}

static void test_get_values(void **state)
{
    (void)state;
    const char *const names[] = { "FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS" };
    const char *const values[] = { "960", "960", "0" };
    const char *many[20];

    get_values(names, 3);
    for (size_t length = 0; length < bytes.length; length++)
        assert_int_equal(inspect_exactly(bytes.data, length), GATE_PARTIAL);
    assert_int_equal(inspect(), GATE_MANAGEMENT);
    assert_int_equal(result.consumed, bytes.length);
    assert_int_equal(result.type, FCGI_RECORD_GET_VALUES);
    assert_values(names, values, 3);

    bytes.length = 0;
    get_values(names + 2, 1);
    inspect();
    assert_values(names + 2, values + 2, 1);

    /* What overflows libfcgi's 64 bytes on its stack. */
    for (size_t i = 0; i < 20; i++)
        many[i] = i % 2 == 0 ? "FCGI_MAX_CONNS" : "FCGI_SOMETHING_ELSE";
    bytes.length = 0;
    get_values(many, 20);
    assert_int_equal(inspect(), GATE_MANAGEMENT);
    assert_values(names, values, 1);

    bytes.length = 0;
    record(FCGI_RECORD_GET_VALUES, 0, "", 0);
    assert_int_equal(inspect(), GATE_MANAGEMENT);
    assert_values(names, values, 0);

    bytes.length = 0;
    record(FCGI_RECORD_GET_VALUES, 0, "\xff\xff\xff\xfe\xff\xff\xff\xfe", 8);
    assert_int_equal(inspect(), GATE_MANAGEMENT);
    assert_values(names, values, 0);
}

static void test_unknown_management_type(void **state)
{
    (void)state;
    static const uint8_t expected[] = { 1, FCGI_RECORD_UNKNOWN_TYPE, 0, 0, 0, 8, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0 };
    struct strbuf answer = { 0 };

    record(77, 0, "whatever", 8);
    assert_int_equal(inspect(), GATE_MANAGEMENT);
    assert_int_equal(result.consumed, bytes.length);
    gate_answer((uint8_t *)bytes.data, GATE_MANAGEMENT, &result, 9, &answer);
    assert_int_equal(answer.length, sizeof expected);
    assert_memory_equal(answer.data, expected, sizeof expected);
    strbuf_free(&answer);
}

static void assert_malformed_list(const void *list, size_t length)
{
    bytes.length = 0;
    fcgi_record_append_begin(&bytes, 1, FCGI_ROLE_RESPONDER, 0);
    params(1, list, length);
    end_of_body();
    assert_int_equal(inspect(), GATE_MALFORMED);
    assert_non_null(result.reason);
}

static void test_malformed_lists(void **state)
{
    (void)state;
    assert_malformed_list("\x01", 1);
    assert_malformed_list("\x80\x00\x00", 3);
    assert_malformed_list("\x01\x80\x00\x00", 4);
    assert_malformed_list("\x05\x01"
                          "ab",
                          4);
    assert_malformed_list("\x01\x05"
                          "ab",
                          4);
    assert_malformed_list("\xff\xff\xff\xff\xff\xff\xff\xff"
                          "ab",
                          10);
    /* The two lengths that overflow the sum in libfcgi. */
    assert_malformed_list("\xff\xff\xff\xfe\xff\xff\xff\xfe"
                          "ab",
                          10);
    assert_malformed_list("\x02\x01"
                          "a\0b",
                          5);
    assert_malformed_list("\x01\x02"
                          "ab\0",
                          5);
    assert_malformed_list("\x03\x01"
                          "a=bc",
                          6);
    assert_malformed_list("\x01\x01"
                          "=c",
                          4);
    assert_malformed_list("\x01\x01"
                          "ab"
                          "\x01\x02"
                          "c\0d",
                          9);
}

/* Strange, and harmless. */
static void test_odd_lists(void **state)
{
    (void)state;
    static const char twice[] = "\x01\x01"
                                "ab"
                                "\x01\x01"
                                "ac"
                                "\x00\x00"
                                "\x01\x03"
                                "a===";

    fcgi_record_append_begin(&bytes, 1, FCGI_ROLE_RESPONDER, 0);
    params(1, twice, sizeof twice - 1);
    end_of_body();
    assert_int_equal(inspect(), GATE_READY);

    bytes.length = 0;
    fcgi_record_append_begin(&bytes, 1, FCGI_ROLE_RESPONDER, 0);
    params(1, "", 0);
    end_of_body();
    assert_int_equal(inspect(), GATE_READY);
}

static void assert_malformed(size_t length)
{
    assert_int_equal(inspect_exactly(bytes.data, length), GATE_MALFORMED);
    assert_non_null(result.reason);
    bytes.length = 0;
}

static void test_malformed_records(void **state)
{
    (void)state;
    /* the version is looked at as soon as it is there */
    strbuf_puts(&bytes, "GET / HTTP/1.1\r\n\r\n");
    assert_malformed(1);
    head(FCGI_ROLE_RESPONDER, NULL);
    bytes.data[16] = 2;
    assert_malformed(24);
    /* records that can't begin anything */
    record(FCGI_RECORD_PARAMS, 1, "", 0);
    assert_malformed(bytes.length);
    record(FCGI_RECORD_STDIN, 1, "late", 4);
    assert_malformed(bytes.length);
    record(FCGI_RECORD_STDOUT, 1, "", 0);
    assert_malformed(bytes.length);
    record(99, 1, "", 0);
    assert_malformed(bytes.length);
    record(FCGI_RECORD_PARAMS, 0, "", 0);
    assert_malformed(bytes.length);
    record(FCGI_RECORD_STDIN, 0, "", 0);
    assert_malformed(bytes.length);
    /* a BEGIN_REQUEST of no request, or of a wrong size */
    fcgi_record_append_begin(&bytes, 0, FCGI_ROLE_RESPONDER, 0);
    assert_malformed(8);
    record(FCGI_RECORD_BEGIN_REQUEST, 1, "\0\1\0\0\0\0\0", 7);
    assert_malformed(8);
    record(FCGI_RECORD_BEGIN_REQUEST, 1, "", 0);
    assert_malformed(bytes.length);
    /* something else where PARAMS has to be */
    fcgi_record_append_begin(&bytes, 1, FCGI_ROLE_RESPONDER, 0);
    record(FCGI_RECORD_STDIN, 1, "", 0);
    assert_malformed(bytes.length);
    fcgi_record_append_begin(&bytes, 1, FCGI_ROLE_RESPONDER, 0);
    fcgi_record_append_begin(&bytes, 1, FCGI_ROLE_RESPONDER, 0);
    assert_malformed(bytes.length);
    fcgi_record_append_begin(&bytes, 1, FCGI_ROLE_RESPONDER, 0);
    record(FCGI_RECORD_PARAMS, 2, "", 0);
    assert_malformed(bytes.length);
    fcgi_record_append_begin(&bytes, 1, FCGI_ROLE_RESPONDER, 0);
    record(FCGI_RECORD_GET_VALUES, 0, "", 0);
    assert_malformed(bytes.length);
    /* and where STDIN has to be */
    head(FCGI_ROLE_RESPONDER, NULL);
    record(FCGI_RECORD_DATA, 1, "", 0);
    assert_malformed(bytes.length);
    head(FCGI_ROLE_RESPONDER, NULL);
    record(FCGI_RECORD_STDIN, 2, "", 0);
    assert_malformed(bytes.length);
    head(FCGI_ROLE_RESPONDER, NULL);
    record(FCGI_RECORD_PARAMS, 1, "", 0);
    assert_malformed(bytes.length);
}

static void test_head_too_large(void **state)
{
    (void)state;
    struct strbuf list = { 0 }, value = { 0 };

    /* exactly as large as it may be, then one byte more */
    size_t room = HEAD_MAX - 16 - 8 - 8 - 1 - 1 - 4;
    for (size_t more = 0; more < 2; more++) {
        bytes.length = list.length = value.length = 0;
        strbuf_fill(&value, 'v', room + more);
        pair(&list, "A", value.data);
        fcgi_record_append_begin(&bytes, 1, FCGI_ROLE_RESPONDER, 0);
        params(1, list.data, list.length);
        assert_int_equal(bytes.length, HEAD_MAX + more);
        end_of_body();
        assert_int_equal(inspect(), more == 0 ? GATE_READY : GATE_TOO_LARGE);
    }
    /* a record that is only announced */
    bytes.length = 0;
    fcgi_record_append_begin(&bytes, 1, FCGI_ROLE_RESPONDER, 0);
    strbuf_append(&bytes, "\1\4\0\1\xff\xff\0\0", 8);
    assert_int_equal(inspect(), GATE_TOO_LARGE);
    /* a trickle of small records, in a buffer that never holds more than the limit */
    bytes.length = 0;
    fcgi_record_append_begin(&bytes, 1, FCGI_ROLE_RESPONDER, 0);
    while (bytes.length < HEAD_MAX)
        record(FCGI_RECORD_PARAMS, 1, "\1", 1);
    assert_int_equal(inspect_exactly(bytes.data, HEAD_MAX), GATE_TOO_LARGE);
    /* a management record */
    bytes.length = 0;
    strbuf_append(&bytes, "\1\x9\0\0\xff\xff\0\0", 8);
    assert_int_equal(inspect(), GATE_TOO_LARGE);
    strbuf_free(&list);
    strbuf_free(&value);
}

/* The waiting is bounded: a buffer of this size is never PARTIAL. */
static void test_never_partial_beyond_the_limits(void **state)
{
    (void)state;
    head(FCGI_ROLE_RESPONDER, NULL);
    while (bytes.length < HEAD_MAX + BODY_MAX)
        padded_record(FCGI_RECORD_STDIN, 1, "x", 1, 255);
    assert_int_equal(inspect_exactly(bytes.data, HEAD_MAX + BODY_MAX), GATE_READY);
}

static void test_random_mutations(void **state)
{
    (void)state;
    struct strbuf original = { 0 };
    unsigned random = 12345;
    unsigned verdicts[GATE_TOO_LARGE + 1] = { 0 };

    head(FCGI_ROLE_RESPONDER, "12");
    padded_record(FCGI_RECORD_STDIN, 1, "hello", 5, 3);
    body(7);
    end_of_body();
    strbuf_append(&original, bytes.data, bytes.length);
    for (int round = 0; round < 20000; round++) {
        memcpy(bytes.data, original.data, original.length);
        for (int i = 0; i <= round % 3; i++) {
            random = random * 1664525 + 1013904223;
            bytes.data[(random >> 16) % original.length] = (char)(random >> 8);
        }
        size_t length = round % 2 == 0 ? original.length : (random >> 12) % original.length;
        enum gate_verdict verdict = inspect_exactly(bytes.data, length);
        verdicts[verdict]++;
        if (verdict == GATE_READY && result.body_complete)
            assert_in_range(result.request_length, 24, length);
        if (verdict == GATE_STALE || verdict == GATE_MANAGEMENT || verdict == GATE_REFUSED)
            assert_in_range(result.consumed, 8, length);
    }
    assert_in_range(verdicts[GATE_READY], 100, 20000);
    assert_in_range(verdicts[GATE_MALFORMED], 100, 20000);
    assert_in_range(verdicts[GATE_PARTIAL], 100, 20000);
    strbuf_free(&original);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_ready, tear_down),
        cmocka_unit_test_teardown(test_every_truncation_is_partial, tear_down),
        cmocka_unit_test_teardown(test_pairs_across_records, tear_down),
        cmocka_unit_test_teardown(test_large_body_is_not_waited_for, tear_down),
        cmocka_unit_test_teardown(test_wait_for_no_body, tear_down),
        cmocka_unit_test_teardown(test_authorizer_comes_without_stdin, tear_down),
        cmocka_unit_test_teardown(test_other_roles_are_refused, tear_down),
        cmocka_unit_test_teardown(test_second_request_is_refused, tear_down),
        cmocka_unit_test_teardown(test_aborted_before_it_was_whole, tear_down),
        cmocka_unit_test_teardown(test_stale, tear_down),
        cmocka_unit_test_teardown(test_get_values, tear_down),
        cmocka_unit_test_teardown(test_unknown_management_type, tear_down),
        cmocka_unit_test_teardown(test_malformed_lists, tear_down),
        cmocka_unit_test_teardown(test_odd_lists, tear_down),
        cmocka_unit_test_teardown(test_malformed_records, tear_down),
        cmocka_unit_test_teardown(test_head_too_large, tear_down),
        cmocka_unit_test_teardown(test_never_partial_beyond_the_limits, tear_down),
        cmocka_unit_test_teardown(test_random_mutations, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
