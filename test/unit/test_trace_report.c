#include "trace_report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct trace_report_subject subject = { .pool = "web", .requests = 100 };

#define HEAD "requests\t100\nregion\t81920\nunwatched\t8192\ninterpreter\t20480\n"

static void assert_printed(const char *text, bool json, const char *expected)
{
    struct strbuf out = { 0 };
    assert_true(trace_report_print(text, &subject, json, &out));
    assert_string_equal(out.data, expected);
    strbuf_free(&out);
}

static void test_most_costly_comes_first(void **state)
{
    (void)state;
    assert_printed(HEAD "write\t4096\tHash\t/app.rb\t12\tcall\n"
                        "write\t40960\tA::B\t/app.rb\t9\t\n"
                        "write\t4096\tArray\t/app.rb\t2\tcall\n"
                        "write\t4096\t(unknown)\t\t0\t\n",
                   false,
                   "web: writes to preloaded state in 100 requests\n"
                   "       BYTES   PAGES  CLASS      FILE:LINE                   METHOD\n"
                   "       40960      10  A::B       /app.rb:9                   -\n"
                   "        4096       1  (unknown)  (no Ruby code was running)  -\n"
                   "        4096       1  Array      /app.rb:2                   call\n"
                   "        4096       1  Hash       /app.rb:12                  call\n"
                   "       53248      13  in all, of 81920 bytes preloaded\n"
                   "(20480 bytes more by the interpreter for its own state, as in every worker)\n");
}

static void test_nothing_is_written(void **state)
{
    (void)state;
    assert_printed(HEAD, false,
                   "web: writes to preloaded state in 100 requests\n"
                   "nothing is written\n"
                   "(20480 bytes more by the interpreter for its own state, as in every worker)\n");
}

static void test_an_early_end_and_a_cut_are_told(void **state)
{
    (void)state;
    assert_printed("ended\tinterrupted\nrequests\t7\nregion\t81920\ncut\n", false,
                   "web: writes to preloaded state in 7 requests of 100; the trace ended early: interrupted\n"
                   "nothing is written\n"
                   "There were more pages than can be watched one by one: this is not all.\n"
                   "(0 bytes more by the interpreter for its own state, as in every worker)\n");
}

static void test_json(void **state)
{
    (void)state;
    assert_printed(HEAD "ended\tit has traced its requests\nwrite\t8192\tHash\t/a \"b\".rb\t12\t\n", true,
                   "{\n"
                   "  \"pool\": \"web\",\n"
                   "  \"requests\": 100,\n"
                   "  \"ended_early\": null,\n"
                   "  \"complete\": true,\n"
                   "  \"region\": 81920,\n"
                   "  \"unwatched\": 8192,\n"
                   "  \"interpreter\": 20480,\n"
                   "  \"bytes\": 8192,\n"
                   "  \"pages\": 2,\n"
                   "  \"writes\": [\n"
                   "    {\n"
                   "      \"bytes\": 8192,\n"
                   "      \"pages\": 2,\n"
                   "      \"class\": \"Hash\",\n"
                   "      \"file\": \"/a \\\"b\\\".rb\",\n"
                   "      \"line\": 12,\n"
                   "      \"method\": null\n"
                   "    }\n"
                   "  ]\n"
                   "}\n");
}

/* A worker runs foreign code; its report is shown on an operator's terminal. */
static void test_control_characters_are_replaced(void **state)
{
    (void)state;
    struct strbuf out = { 0 };
    assert_true(trace_report_print(HEAD "write\t4096\t\033[2J\x7f\t/app.rb\t1\tm\n", &subject, false, &out));
    assert_non_null(strstr(out.data, "?[2J?"));
    assert_null(strchr(out.data, '\033'));
    strbuf_free(&out);
}

static void test_what_is_no_report_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "\n",
        "requests\t100\n",
        "region\t4096\n",
        "requests\tx\nregion\t4096\n",
        "requests\t\nregion\t1\n",
        HEAD "write\t-1\tHash\t/app.rb\t1\tm\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct strbuf out = { 0 };
        assert_false(trace_report_print(texts[i], &subject, false, &out));
        assert_int_equal(out.length, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_most_costly_comes_first),         cmocka_unit_test(test_nothing_is_written),
        cmocka_unit_test(test_an_early_end_and_a_cut_are_told), cmocka_unit_test(test_json),
        cmocka_unit_test(test_control_characters_are_replaced), cmocka_unit_test(test_what_is_no_report_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
