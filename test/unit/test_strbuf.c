#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "strbuf.h"

static void starts_empty(void **state)
{
    struct strbuf buffer = { 0 };

    (void)state;
    strbuf_consume(&buffer, 5);
    strbuf_append(&buffer, NULL, 0);
    assert_int_equal(buffer.length, 0);
    assert_string_equal(buffer.data, "");
    strbuf_free(&buffer);
    assert_null(buffer.data);
    strbuf_free(&buffer);
}

static void appends_binary(void **state)
{
    struct strbuf buffer = { 0 };

    (void)state;
    strbuf_append(&buffer, "a\0b", 3);
    strbuf_puts(&buffer, "c");
    assert_int_equal(buffer.length, 4);
    assert_memory_equal(buffer.data, "a\0bc", 5);
    strbuf_free(&buffer);
}

/* Every length around the steps in which it grows: the NUL must always fit, and printf must notice what does not. */
static void grows_at_every_length(void **state)
{
    (void)state;
    for (size_t length = 0; length < 300; length++) {
        struct strbuf printed = { 0 }, filled = { 0 };

        strbuf_printf(&printed, "%0*d", (int)length + 1, 7);
        assert_int_equal(printed.length, length + 1);
        assert_int_equal(strlen(printed.data), length + 1);
        assert_int_equal(printed.data[length], '7');
        strbuf_fill(&filled, 'x', length);
        assert_int_equal(strlen(filled.data), length);
        strbuf_printf(&filled, "%s", printed.data);
        assert_int_equal(filled.length, 2 * length + 1);
        assert_string_equal(filled.data + length, printed.data);
        strbuf_free(&printed);
        strbuf_free(&filled);
    }
}

static void consumes_from_the_front(void **state)
{
    struct strbuf buffer = { 0 };

    (void)state;
    strbuf_puts(&buffer, "hello world");
    strbuf_consume(&buffer, 6);
    assert_string_equal(buffer.data, "world");
    assert_int_equal(buffer.length, 5);
    strbuf_consume(&buffer, 100);
    assert_string_equal(buffer.data, "");
    strbuf_puts(&buffer, "again");
    assert_string_equal(buffer.data, "again");
    strbuf_free(&buffer);
}

static void detaches(void **state)
{
    struct strbuf buffer = { 0 };

    (void)state;
    char *empty = strbuf_detach(&buffer);
    assert_string_equal(empty, "");
    free(empty);
    strbuf_puts(&buffer, "text");
    char *text = strbuf_detach(&buffer);
    assert_string_equal(text, "text");
    free(text);
    assert_null(buffer.data);
    assert_int_equal(buffer.length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_empty),
        cmocka_unit_test(appends_binary),
        cmocka_unit_test(grows_at_every_length),
        cmocka_unit_test(consumes_from_the_front),
        cmocka_unit_test(detaches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
