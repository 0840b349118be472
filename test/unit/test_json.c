#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

static void assert_escaped(const char *bytes, size_t length, const char *expected)
{
    struct strbuf out = { 0 };

    json_escape(&out, bytes, length);
    assert_string_equal(out.data, expected);
    strbuf_free(&out);
}

static void write_sample(struct json_writer *writer)
{
    json_begin_object(writer);
    json_key_string(writer, "a", "x\"y");
    json_key(writer, "list");
    json_begin_array(writer);
    json_integer(writer, INT64_MIN);
    json_boolean(writer, true);
    json_boolean(writer, false);
    json_string(writer, NULL);
    json_begin_object(writer);
    json_end_object(writer);
    json_begin_array(writer);
    json_end_array(writer);
    json_end_array(writer);
    json_key_integer(writer, "n", 3);
    json_key_number(writer, "d", 0.1);
    json_end_object(writer);
}

static void writes_compact(void **state)
{
    struct strbuf out = { 0 };
    struct json_writer writer = { .out = &out };

    (void)state;
    write_sample(&writer);
    assert_string_equal(out.data, "{\"a\":\"x\\\"y\",\"list\":[-9223372036854775808,true,false,null,{},[]],"
                                  "\"n\":3,\"d\":0.1}");
    strbuf_free(&out);
}

static void writes_pretty(void **state)
{
    struct strbuf out = { 0 };
    struct json_writer writer = { .out = &out, .pretty = true };

    (void)state;
    write_sample(&writer);
    assert_string_equal(out.data, "{\n"
                                  "  \"a\": \"x\\\"y\",\n"
                                  "  \"list\": [\n"
                                  "    -9223372036854775808,\n"
                                  "    true,\n"
                                  "    false,\n"
                                  "    null,\n"
                                  "    {},\n"
                                  "    []\n"
                                  "  ],\n"
                                  "  \"n\": 3,\n"
                                  "  \"d\": 0.1\n"
                                  "}");
    strbuf_free(&out);
}

static void escapes_control_bytes(void **state)
{
    (void)state;
    assert_escaped("\0\x01\b\f\n\r\t\x1f\x7f/\\", 11, "\"\\u0000\\u0001\\b\\f\\n\\r\\t\\u001f\x7f/\\\\\"");
    assert_escaped("", 0, "\"\"");
    assert_escaped(NULL, 0, "\"\"");
}

#define FFFD "\xef\xbf\xbd"

static void replaces_what_is_not_utf8(void **state)
{
    static const struct {
        const char *bytes;
        const char *expected;
    } cases[] = {
        { "\xc3\xa4\xe7\x89\x9b\xf0\x9f\x90\x84", "\"\xc3\xa4\xe7\x89\x9b\xf0\x9f\x90\x84\"" },
        { "\xff", "\"" FFFD "\"" },
        { "\x80z", "\"" FFFD "z\"" },
        { "\xc3", "\"" FFFD "\"" },
        { "\xc3\"", "\"" FFFD "\\\"\"" },
        { "\xe7\x89", "\"" FFFD FFFD "\"" },
        { "\xc0\xaf", "\"" FFFD FFFD "\"" },
        { "\xe0\x80\xaf", "\"" FFFD FFFD FFFD "\"" },
        { "\xed\xa0\x80", "\"" FFFD FFFD FFFD "\"" },
        { "\xf0\x80\x80\x80", "\"" FFFD FFFD FFFD FFFD "\"" },
        { "\xf4\x90\x80\x80", "\"" FFFD FFFD FFFD FFFD "\"" },
        { "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", "\"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_escaped(cases[i].bytes, strlen(cases[i].bytes), cases[i].expected);
}

static void numbers_read_back(void **state)
{
    static const double numbers[] = { 0, -0.5, 1e300, 1.0 / 3, DBL_MAX, DBL_MIN, 123456789.125, 0.1 + 0.2 };

    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct strbuf out = { 0 };
        struct json_writer writer = { .out = &out };

        json_number(&writer, numbers[i]);
        assert_true(strtod(out.data, NULL) == numbers[i]);
        strbuf_free(&out);
    }
}

static void what_is_no_number_is_null(void **state)
{
    struct strbuf out = { 0 };
    struct json_writer writer = { .out = &out };

    (void)state;
    json_begin_array(&writer);
    json_number(&writer, NAN);
    json_number(&writer, -INFINITY);
    json_end_array(&writer);
    assert_string_equal(out.data, "[null,null]");
    strbuf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_compact),        cmocka_unit_test(writes_pretty),
        cmocka_unit_test(escapes_control_bytes), cmocka_unit_test(replaces_what_is_not_utf8),
        cmocka_unit_test(numbers_read_back),     cmocka_unit_test(what_is_no_number_is_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
