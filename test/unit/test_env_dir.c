#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "env_dir.h"
#include "xalloc.h"

struct fixture {
    char directory[64];
    struct env_dir result;
    struct strbuf error;
};

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof *fixture);
    strcpy(fixture->directory, "/tmp/cowherd-env-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    char *command = xasprintf("rm -r %s", fixture->directory);
    assert_int_equal(system(command), 0);
    free(command);
    env_dir_free(&fixture->result);
    strbuf_free(&fixture->error);
    free(fixture);
    return 0;
}

static void put(const struct fixture *fixture, const char *name, const void *bytes, size_t length)
{
    char *path = xasprintf("%s/%s", fixture->directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    free(path);
}

static bool read_over(struct fixture *fixture, char *const *outer)
{
    struct config_pair pairs[] = { { "TZ", "UTC" }, { "MODE", "plain" } };
    const struct config_pairs env = { .items = pairs, .count = 2 };
    return env_dir_read(fixture->directory, outer, &env, &fixture->result, &fixture->error);
}

static char *outer[] = { "PATH=/bin", "MODE_X=1", "MODE=outer", "LANG=C", NULL };

static const char *value(const struct fixture *fixture, const char *name)
{
    for (size_t i = 0; i < fixture->result.env.count; i++)
        if (strcmp(fixture->result.env.items[i].name, name) == 0)
            return fixture->result.env.items[i].value;
    return NULL;
}

static void a_file_is_a_variable_and_its_first_line_the_value(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "A", "one", 3);
    put(fixture, "B", "two \t\r\nmore\n", 12);
    put(fixture, "C", "\n", 1);
    put(fixture, "D", " \"it's\" = # \xc3\xa9\t\x01\n", 17);
    put(fixture, ".hidden", "x", 1);
    assert_true(read_over(fixture, outer));
    assert_int_equal(fixture->result.env.count, 6);
    assert_string_equal(value(fixture, "A"), "one");
    assert_string_equal(value(fixture, "B"), "two");
    assert_string_equal(value(fixture, "C"), "");
    assert_string_equal(value(fixture, "D"), " \"it's\" = # \xc3\xa9\t\x01");
    assert_string_equal(value(fixture, "TZ"), "UTC");
}

static void an_empty_file_unsets_what_env_and_cowherd_have_set(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "MODE", "", 0);
    put(fixture, "LANG", "", 0);
    put(fixture, "NEVER", "", 0);
    assert_true(read_over(fixture, outer));
    assert_int_equal(fixture->result.env.count, 1);
    assert_string_equal(value(fixture, "TZ"), "UTC");
    assert_string_equal(fixture->result.outer[0], "PATH=/bin");
    assert_string_equal(fixture->result.outer[1], "MODE_X=1");
    assert_null(fixture->result.outer[2]);
}

static void the_directory_counts_for_more_than_env(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "MODE", "new", 3);
    assert_true(read_over(fixture, outer));
    assert_int_equal(fixture->result.env.count, 2);
    assert_string_equal(value(fixture, "MODE"), "new");
}

static void without_a_directory_all_is_as_it_was(void **state)
{
    struct fixture *fixture = *state;
    struct config_pair pair = { "TZ", "UTC" };
    const struct config_pairs env = { .items = &pair, .count = 1 };
    assert_true(env_dir_read(NULL, outer, &env, &fixture->result, &fixture->error));
    assert_int_equal(fixture->result.env.count, 1);
    for (size_t i = 0; i < 5; i++)
        if (outer[i] != NULL)
            assert_string_equal(fixture->result.outer[i], outer[i]);
        else
            assert_null(fixture->result.outer[i]);
}

static void refuse(struct fixture *fixture, const char *name, const char *why)
{
    char *expected = xasprintf("restart.env_dir: %s%s%s: %s", fixture->directory, *name ? "/" : "", name, why);
    assert_false(read_over(fixture, outer));
    assert_string_equal(fixture->error.data, expected);
    assert_null(fixture->result.outer);
    assert_int_equal(fixture->result.env.count, 0);
    free(expected);
}

static void a_folder_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char *path = xasprintf("%s/SUB", fixture->directory);
    assert_int_equal(mkdir(path, 0700), 0);
    free(path);
    refuse(fixture, "SUB", "it is no regular file");
}

static void a_pipe_is_refused_and_not_waited_for(void **state)
{
    struct fixture *fixture = *state;
    char *path = xasprintf("%s/PIPE", fixture->directory);
    assert_int_equal(mkfifo(path, 0600), 0);
    free(path);
    refuse(fixture, "PIPE", "it is no regular file");
}

static void a_dangling_link_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char *path = xasprintf("%s/LINK", fixture->directory);
    assert_int_equal(symlink("nowhere", path), 0);
    free(path);
    refuse(fixture, "LINK", "No such file or directory");
}

static void bytes_that_no_variable_holds_are_refused(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "NUL", "a\0b", 3);
    refuse(fixture, "NUL", "its first line holds a byte that no variable can hold (NUL)");
}

static void what_is_not_utf8_is_refused(void **state)
{
    static const char *const wrong[] = { "\xe9", "a\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82" };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        put(fixture, "LATIN", wrong[i], strlen(wrong[i]));
        refuse(fixture, "LATIN", "its first line is not UTF-8");
        strbuf_free(&fixture->error);
    }
}

static void a_line_has_its_bound(void **state)
{
    struct fixture *fixture = *state;
    char *line = xmalloc(65537);
    memset(line, 'x', 65537);
    put(fixture, "LONG", line, 65536);
    assert_true(read_over(fixture, outer));
    assert_int_equal(strlen(value(fixture, "LONG")), 65536);
    env_dir_free(&fixture->result);
    put(fixture, "LONG", line, 65537);
    free(line);
    refuse(fixture, "LONG", "its first line is longer than 65536 bytes");
}

static void a_name_that_no_variable_has_is_refused(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "A=B", "x", 1);
    assert_false(read_over(fixture, outer));
    assert_non_null(strstr(fixture->error.data, "/A=B: expected"));
}

static void a_directory_that_is_missing_is_named(void **state)
{
    struct fixture *fixture = *state;
    const struct config_pairs env = { 0 };
    assert_false(env_dir_read("/nonexistent/env", outer, &env, &fixture->result, &fixture->error));
    assert_string_equal(fixture->error.data, "restart.env_dir: /nonexistent/env: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_file_is_a_variable_and_its_first_line_the_value),
        TEST(an_empty_file_unsets_what_env_and_cowherd_have_set),
        TEST(the_directory_counts_for_more_than_env),
        TEST(without_a_directory_all_is_as_it_was),
        TEST(a_folder_is_refused),
        TEST(a_pipe_is_refused_and_not_waited_for),
        TEST(a_dangling_link_is_refused),
        TEST(bytes_that_no_variable_holds_are_refused),
        TEST(what_is_not_utf8_is_refused),
        TEST(a_line_has_its_bound),
        TEST(a_name_that_no_variable_has_is_refused),
        TEST(a_directory_that_is_missing_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
