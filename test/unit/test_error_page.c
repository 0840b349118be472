#include "error_page.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_request.h"

#include <cmocka.h>

static char source[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(source, "/tmp/test_error_page-XXXXXX.rb");
    int fd = mkstemps(source, 3);
    FILE *file = fdopen(fd, "w");
    for (int line = 1; line <= 20; line++)
        fprintf(file, "line%d <b> & \"it's\"\x1b\n", line);
    fclose(file);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(source);
    return 0;
}

static char *page_of(const char *message, const char *backtrace)
{
    struct strbuf text = { 0 };
    struct strbuf page = { 0 };

    strbuf_printf(&text, "%s%s", message, backtrace);
    error_page_append(&page, 500, text.data, strlen(message));
    strbuf_free(&text);
    return strbuf_detach(&page);
}

static void test_who_wants_it(void **state)
{
    (void)state;
    assert_true(error_page_wanted("text/html"));
    assert_true(error_page_wanted("application/xml, TEXT/HTML;q=0.5"));
    assert_true(error_page_wanted("text/html,application/xhtml+xml,*/*;q=0"));
    assert_false(error_page_wanted(NULL));
    assert_false(error_page_wanted(""));
    assert_false(error_page_wanted("*/*"));
    assert_false(error_page_wanted("text/plain, application/json"));
    assert_false(error_page_wanted("text/html;q=0"));
    assert_false(error_page_wanted("text/html;q=0.0, */*"));
    assert_false(error_page_wanted("text/htmlx"));
}

static void test_escape(void **state)
{
    struct strbuf out = { 0 };
    const char text[] = "<a href=\"x\">'&'</a>\x01\t\n\x7f";

    (void)state;
    error_page_escape(&out, text, sizeof text - 1);
    assert_string_equal(out.data, "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;\\x01\t\n\\x7F");
    strbuf_free(&out);
}

static void test_excerpt(void **state)
{
    char frames[200];

    (void)state;
    snprintf(frames, sizeof frames, "\n  mruby/lib.rb:3:in each\n  %s:8:in block\n  %s:1", source, source);
    char *page = page_of("<script> (RuntimeError)", frames);
    assert_null(strstr(page, "<script>"));
    assert_non_null(strstr(page, "<title>500: &lt;script&gt; (RuntimeError)</title>"));
    assert_non_null(strstr(page, "<b>    8  line8 &lt;b&gt; &amp; &quot;it&#39;s&quot;\\x1B</b>"));
    assert_non_null(strstr(page, "    3  line3 "));
    assert_non_null(strstr(page, "   13  line13 "));
    assert_null(strstr(page, "line2 "));
    assert_null(strstr(page, "line14 "));
    assert_non_null(strstr(page, "  mruby/lib.rb:3:in each\n"));
    free(page);
}

static void test_first_and_last_line(void **state)
{
    char frames[200];

    (void)state;
    snprintf(frames, sizeof frames, "\n  %s:1", source);
    char *page = page_of("x (E)", frames);
    assert_non_null(strstr(page, "<pre><b>    1  line1 "));
    assert_null(strstr(page, "line7 "));
    free(page);
    snprintf(frames, sizeof frames, "\n  %s:20:in x", source);
    page = page_of("x (E)", frames);
    assert_non_null(strstr(page, "<b>   20  line20 "));
    assert_null(strstr(page, "line14 "));
    free(page);
    /* The file is another by now. */
    snprintf(frames, sizeof frames, "\n  %s:21", source);
    page = page_of("x (E)", frames);
    assert_null(strstr(page, "line20 "));
    free(page);
}

/* A message can be written by who sends the request, a path in it is no reason to read that file. */
static void test_message_names_a_file(void **state)
{
    char message[200];

    (void)state;
    snprintf(message, sizeof message, "bad:\n  %s:8:in x (RuntimeError)", source);
    char *page = page_of(message, "");
    assert_null(strstr(page, "line8 "));
    free(page);
    snprintf(message, sizeof message, "%s:8:2: syntax error (SyntaxError)", source);
    page = page_of(message, "\n  (eval):1");
    assert_non_null(strstr(page, "<b>    8  line8 "));
    free(page);
}

static void test_files_that_are_not_shown(void **state)
{
    (void)state;
    char *page = page_of("x (E)", "\n  /etc/passwd:1:in x\n  /dev/zero.rb:1\n  /nowhere.rb:1:in y\n  :1\n  /a.rb:\n");
    assert_null(strstr(page, "root:"));
    assert_null(strstr(page, "<pre><b>"));
    free(page);
    page = page_of("x (E)", "\n  /dev/zero:1");
    free(page);
}

static void test_answer(void **state)
{
    struct request_transport transport = { 0 };
    struct request request = { .transport = &transport, .params = transport.params };

    (void)state;
    fake_param(&transport, "REQUEST_METHOD=GET");
    error_page_answer(&request, 500, "x (E)", 5);
    assert_int_equal(request.status, 500);
    assert_true(request.error_answered);
    assert_non_null(strstr(transport.out.data, "\r\nContent-Type: text/html; charset=utf-8\r\n"));
    assert_non_null(strstr(transport.out.data, "Content-Security-Policy: default-src 'none'"));
    assert_non_null(strstr(transport.out.data, "\r\n\r\n<!DOCTYPE html>"));
    fake_clear(&transport);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_wants_it),
        cmocka_unit_test(test_escape),
        cmocka_unit_test_setup_teardown(test_excerpt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_first_and_last_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_message_names_a_file, set_up, tear_down),
        cmocka_unit_test(test_files_that_are_not_shown),
        cmocka_unit_test(test_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
