/* Text for manual pages: folded, escaped, a sentence a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mdoc.h"

static void expect(const char *text, const char *wanted)
{
    struct strbuf out = { 0 };

    mdoc_text(text, &out);
    assert_string_equal(out.data, wanted);
    strbuf_free(&out);
}

static void test_a_sentence_is_a_line(void **state)
{
    (void)state;
    expect("What it is.  And why: 1.5 times.", "What it is.\nAnd why: 1.5 times.\n");
}

static void test_long_lines_are_folded(void **state)
{
    (void)state;
    expect("Where requests come in: /a/path, 127.0.0.1:9000, [::1]:9000, or a socket that was handed over",
           "Where requests come in: /a/path, 127.0.0.1:9000, [::1]:9000, or a socket that\nwas handed over\n");
}

static void test_what_is_in_backticks_is_bold(void **state)
{
    (void)state;
    expect("Not longer than `hard` or `min: 0`.", "Not longer than \\fBhard\\fR or \\fBmin: 0\\fR.\n");
}

static void test_nothing_is_a_request(void **state)
{
    (void)state;
    expect(".Sh is none. 'tis neither. C:\\ is text", "\\&.Sh is none.\n\\&'tis neither.\nC:\\e is text\n");
}

static void test_text_follows_what_is_there(void **state)
{
    struct strbuf out = { 0 };

    (void)state;
    strbuf_puts(&out, ".It Cm a\n");
    mdoc_text("Text", &out);
    mdoc_text("More", &out);
    assert_string_equal(out.data, ".It Cm a\nText\nMore\n");
    strbuf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sentence_is_a_line),         cmocka_unit_test(test_long_lines_are_folded),
        cmocka_unit_test(test_what_is_in_backticks_is_bold), cmocka_unit_test(test_nothing_is_a_request),
        cmocka_unit_test(test_text_follows_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
