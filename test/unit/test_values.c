#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "values.h"

#define S INT64_C(1000000000)

struct example {
    const char *text;
    enum value_result result;
    int64_t value;
};

static void expect(enum value_result (*parse)(const char *text, int64_t *value), const struct example *examples)
{
    for (const struct example *example = examples; example->text; example++) {
        int64_t value = -42;
        enum value_result result = parse(example->text, &value);
        if (result != example->result || (result == VALUE_OK && value != example->value))
            fail_msg("\"%s\": result %d, value %lld", example->text, (int)result, (long long)value);
    }
}

static void reads_integers(void **state)
{
    (void)state;
    expect(value_integer, (const struct example[]){
                              { "0", VALUE_OK, 0 },
                              { "5", VALUE_OK, 5 },
                              { "-20", VALUE_OK, -20 },
                              { "9223372036854775807", VALUE_OK, INT64_MAX },
                              { "9223372036854775808", VALUE_OUT_OF_RANGE, 0 },
                              { "99999999999999999999999999", VALUE_OUT_OF_RANGE, 0 },
                              { "", VALUE_MALFORMED, 0 },
                              { "-", VALUE_MALFORMED, 0 },
                              { "-0", VALUE_MALFORMED, 0 },
                              { "+5", VALUE_MALFORMED, 0 },
                              { "010", VALUE_MALFORMED, 0 },
                              { "0x10", VALUE_MALFORMED, 0 },
                              { "1_000", VALUE_MALFORMED, 0 },
                              { "5 ", VALUE_MALFORMED, 0 },
                              { " 5", VALUE_MALFORMED, 0 },
                              { "5.0", VALUE_MALFORMED, 0 },
                              { "--5", VALUE_MALFORMED, 0 },
                              { NULL, 0, 0 },
                          });
}

static void reads_durations(void **state)
{
    (void)state;
    expect(value_duration, (const struct example[]){
                               { "0", VALUE_OK, 0 },
                               { "0s", VALUE_OK, 0 },
                               { "500ms", VALUE_OK, S / 2 },
                               { "15s", VALUE_OK, 15 * S },
                               { "2m", VALUE_OK, 120 * S },
                               { "1h", VALUE_OK, 3600 * S },
                               { "1d", VALUE_OK, 86400 * S },
                               { "106751d", VALUE_OK, S * 106751 * 86400 },
                               { "106752d", VALUE_OUT_OF_RANGE, 0 },
                               { "9223372036854775807ms", VALUE_OUT_OF_RANGE, 0 },
                               { "99999999999999999999s", VALUE_OUT_OF_RANGE, 0 },
                               { "", VALUE_MALFORMED, 0 },
                               { "15", VALUE_MALFORMED, 0 },
                               { "s", VALUE_MALFORMED, 0 },
                               { "-1s", VALUE_MALFORMED, 0 },
                               { "1.5s", VALUE_MALFORMED, 0 },
                               { "15 s", VALUE_MALFORMED, 0 },
                               { "15S", VALUE_MALFORMED, 0 },
                               { "1h30m", VALUE_MALFORMED, 0 },
                               { "1w", VALUE_MALFORMED, 0 },
                               { "00s", VALUE_MALFORMED, 0 },
                               { NULL, 0, 0 },
                           });
}

static void reads_sizes(void **state)
{
    (void)state;
    expect(value_size, (const struct example[]){
                           { "0", VALUE_OK, 0 },
                           { "4096", VALUE_OK, 4096 },
                           { "4096B", VALUE_OK, 4096 },
                           { "64KiB", VALUE_OK, 65536 },
                           { "32MiB", VALUE_OK, 33554432 },
                           { "1GiB", VALUE_OK, 1073741824 },
                           { "1TiB", VALUE_OK, INT64_C(1) << 40 },
                           { "10kB", VALUE_OK, 10000 },
                           { "10MB", VALUE_OK, 10000000 },
                           { "1TB", VALUE_OK, INT64_C(1000000000000) },
                           { "9223372036854775807", VALUE_OK, INT64_MAX },
                           { "8388607TiB", VALUE_OK, INT64_C(8388607) << 40 },
                           { "8388608TiB", VALUE_OUT_OF_RANGE, 0 },
                           { "9223372036854775808", VALUE_OUT_OF_RANGE, 0 },
                           { "", VALUE_MALFORMED, 0 },
                           { "MiB", VALUE_MALFORMED, 0 },
                           { "32M", VALUE_MALFORMED, 0 },
                           { "32mib", VALUE_MALFORMED, 0 },
                           { "-1", VALUE_MALFORMED, 0 },
                           { "1.5GiB", VALUE_MALFORMED, 0 },
                           { "1 GiB", VALUE_MALFORMED, 0 },
                           { NULL, 0, 0 },
                       });
}

static void reads_percentages_and_modes(void **state)
{
    (void)state;
    expect(value_percent, (const struct example[]){
                              { "0", VALUE_OK, 0 },
                              { "0%", VALUE_OK, 0 },
                              { "10%", VALUE_OK, 10 },
                              { "250%", VALUE_OK, 250 },
                              { "99999999999999999999%", VALUE_OUT_OF_RANGE, 0 },
                              { "10", VALUE_MALFORMED, 0 },
                              { "%", VALUE_MALFORMED, 0 },
                              { "10%%", VALUE_MALFORMED, 0 },
                              { NULL, 0, 0 },
                          });
    expect(value_mode, (const struct example[]){
                           { "0660", VALUE_OK, 0660 },
                           { "660", VALUE_OK, 0660 },
                           { "0", VALUE_OK, 0 },
                           { "7777", VALUE_OK, 07777 },
                           { "777777777777777777777777", VALUE_OUT_OF_RANGE, 0 },
                           { "0880", VALUE_MALFORMED, 0 },
                           { "0o660", VALUE_MALFORMED, 0 },
                           { "u=rw", VALUE_MALFORMED, 0 },
                           { "", VALUE_MALFORMED, 0 },
                           { "-1", VALUE_MALFORMED, 0 },
                           { NULL, 0, 0 },
                       });
}

static void reads_booleans(void **state)
{
    static const char *const yes[] = { "true", "True", "TRUE", "yes", "Yes", "on", "ON" };
    static const char *const no[] = { "false", "False", "no", "NO", "off", "Off" };
    static const char *const neither[] = { "", "y", "n", "1", "0", "tRUE", "true ", "none" };
    bool value;

    (void)state;
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        value = false;
        assert_int_equal(value_boolean(yes[i], &value), VALUE_OK);
        assert_true(value);
    }
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        value = true;
        assert_int_equal(value_boolean(no[i], &value), VALUE_OK);
        assert_false(value);
    }
    for (size_t i = 0; i < sizeof neither / sizeof *neither; i++)
        assert_int_equal(value_boolean(neither[i], &value), VALUE_MALFORMED);
}

struct spelling {
    int64_t value;
    const char *text;
};

static void expect_spelling(void (*print)(struct strbuf *out, int64_t value),
                            enum value_result (*parse)(const char *text, int64_t *value),
                            const struct spelling *examples)
{
    for (; examples->text; examples++) {
        struct strbuf out = { 0 };
        int64_t again;
        print(&out, examples->value);
        assert_string_equal(out.data, examples->text);
        assert_int_equal(parse(out.data, &again), VALUE_OK);
        assert_int_equal(again, examples->value);
        strbuf_free(&out);
    }
}

static void prints_the_shortest_spelling(void **state)
{
    (void)state;
    expect_spelling(value_print_duration, value_duration,
                    (const struct spelling[]){
                        { 0, "0" },
                        { S / 2, "500ms" },
                        { 90 * S, "90s" },
                        { 60 * S, "1m" },
                        { 36 * 3600 * S, "36h" },
                        { 86400 * S, "1d" },
                        { 0, NULL },
                    });
    expect_spelling(value_print_size, value_size,
                    (const struct spelling[]){
                        { 0, "0" },
                        { 1000, "1000" },
                        { 1536, "1536" },
                        { 10240, "10KiB" },
                        { 3 << 20, "3MiB" },
                        { INT64_C(5) << 40, "5TiB" },
                        { INT64_MAX, "9223372036854775807" },
                        { 0, NULL },
                    });
}

static void makes_paths_absolute(void **state)
{
    static const char *const examples[][3] = {
        { "/etc/cowherd", "conf.d/a.yml", "/etc/cowherd/conf.d/a.yml" },
        { "/etc/cowherd", "/srv/www", "/srv/www" },
        { "/etc/cowherd/", "./a//b/./c/", "/etc/cowherd/a/b/c" },
        { "/etc", "..", "/etc/.." },
        { "/etc", "a/../b", "/etc/a/../b" },
        { "/", "a", "/a" },
        { "/", "/", "/" },
        { "/", ".", "/" },
        { "/etc", "//", "/" },
        { "/etc", ".hidden", "/etc/.hidden" },
        { "/etc", "...", "/etc/..." },
    };

    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        char *path = value_path(examples[i][0], examples[i][1]);
        assert_string_equal(path, examples[i][2]);
        free(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_integers),       cmocka_unit_test(reads_durations),
        cmocka_unit_test(reads_sizes),          cmocka_unit_test(reads_percentages_and_modes),
        cmocka_unit_test(reads_booleans),       cmocka_unit_test(prints_the_shortest_spelling),
        cmocka_unit_test(makes_paths_absolute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
