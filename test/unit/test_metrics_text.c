/* The text of metrics, letter by letter; test_status_socket.py parses the whole of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "metrics_text.h"

static void assert_text(struct strbuf *out, const char *expected)
{
    assert_string_equal(out->data, expected);
    strbuf_free(out);
}

static void test_families_say_type_unit_and_help(void **state)
{
    (void)state;
    struct strbuf out = { 0 };
    const struct metrics_family busy = { "busy_seconds", METRICS_COUNTER, "seconds", "Without an idle worker." };
    metrics_begin(&out, &busy);
    metrics_sample(&out, &busy, NULL, 0, 12);
    metrics_end(&out);
    assert_text(&out, "# TYPE busy_seconds counter\n"
                      "# UNIT busy_seconds seconds\n"
                      "# HELP busy_seconds Without an idle worker.\n"
                      "busy_seconds_total 12\n"
                      "# EOF\n");
}

static void test_samples_have_the_suffix_of_their_type(void **state)
{
    (void)state;
    static const struct metrics_family families[] = {
        { "a", METRICS_GAUGE, NULL, "" },
        { "a", METRICS_COUNTER, NULL, "" },
        { "a", METRICS_INFO, NULL, "" },
        { "a", METRICS_STATESET, NULL, "" },
    };
    static const char *const expected[] = { "a 1\n", "a_total 1\n", "a_info 1\n", "a 1\n" };
    for (size_t i = 0; i < 4; i++) {
        struct strbuf out = { 0 };
        metrics_sample(&out, &families[i], NULL, 0, 1);
        assert_text(&out, expected[i]);
    }
}

static void test_labels_and_help_are_escaped(void **state)
{
    (void)state;
    struct strbuf out = { 0 };
    const struct metrics_family family = { "a", METRICS_GAUGE, NULL, "back\\slash\nline \"quoted\"" };
    const struct metrics_label labels[] = { { "pool", "w\"e\\b\n" }, { "app", "" } };
    metrics_begin(&out, &family);
    metrics_sample(&out, &family, labels, 2, 1);
    assert_text(&out, "# TYPE a gauge\n"
                      "# HELP a back\\\\slash\\nline \\\"quoted\\\"\n"
                      "a{pool=\"w\\\"e\\\\b\\n\",app=\"\"} 1\n");
}

static void test_values_are_exact(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = { { 0, "a 0\n" },
                  { 123456789012345, "a 123456789012345\n" },
                  { 0.25, "a 0.25\n" },
                  { 1e-6, "a 1e-06\n" },
                  { -3, "a -3\n" } };
    const struct metrics_family family = { "a", METRICS_GAUGE, NULL, "" };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct strbuf out = { 0 };
        metrics_sample(&out, &family, NULL, 0, cases[i].value);
        assert_text(&out, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families_say_type_unit_and_help),
        cmocka_unit_test(test_samples_have_the_suffix_of_their_type),
        cmocka_unit_test(test_labels_and_help_are_escaped),
        cmocka_unit_test(test_values_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
