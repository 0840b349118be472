/* The apps of a pool: interpreters, preload, roots, errors. */
#include "app.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_request.h"

#include <cmocka.h>

#include "rack.h"

#define APPS 3

static char directory[64];
static char roots[APPS][128];
static char rackups[APPS][160];
static char library[128];
static struct config_app app_configs[APPS];
static struct config_pool pool;
static char *preload_items[1];
static struct strbuf error;
static struct app_set *set;
static struct request_transport transport;

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_not_equal(fputs(text, file), EOF);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    static char *const names[APPS] = { "one/", "two/", "three/" };

    (void)state;
    strcpy(directory, "/tmp/cowherd-app-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(library, sizeof library, "%s/lib.rb", directory);
    for (int i = 0; i < APPS; i++) {
        snprintf(roots[i], sizeof roots[i], "%s/%d", directory, i);
        snprintf(rackups[i], sizeof rackups[i], "%s/config.ru", roots[i]);
        if (mkdir(roots[i], 0700) == -1)
            return -1;
        app_configs[i] =
            (struct config_app){ .name = names[i], .host = "*", .path = "/", .root = roots[i], .rack = rackups[i] };
        write_file(rackups[i], "->(env) { [200, {}, [eval_me(env)]] }\n");
    }
    write_file(
        library,
        "$loads = ($loads || 0) + 1\nclass Shared; end\ndef eval_me(env) \"#{$loads} #{$mark} #{Dir.getwd}\" end\n");
    preload_items[0] = library;
    pool = (struct config_pool){
        .name = "web",
        .apps = app_configs,
        .app_count = APPS,
        .preload = { .items = preload_items, .count = 1 },
    };
    return chdir("/");
}

static int tear_down(void **state)
{
    char command[96];

    (void)state;
    app_set_free(set);
    set = NULL;
    strbuf_free(&error);
    fake_clear(&transport);
    snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command);
}

static void load(void)
{
    set = app_set_load(&pool, NULL, &error);
    if (set == NULL)
        fail_msg("%s", error.data);
}

static const char *load_error(void)
{
    set = app_set_load(&pool, NULL, &error);
    assert_null(set);
    return error.data;
}

static const char *get(size_t index)
{
    struct request request = {
        .transport = &transport,
        .params = transport.params,
        .app = &set->apps[index],
        .script_name = "",
        .path_info = "/",
    };

    strbuf_consume(&transport.out, transport.out.length);
    rack_serve(&set->apps[index], &request, true);
    return strstr(transport.out.data, "\r\n\r\n") + 4;
}

static void test_every_app_has_its_own_interpreter(void **state)
{
    char expected[160];

    (void)state;
    write_file(rackups[0], "$mark = 'first'\n->(env) { [200, {}, [eval_me(env)]] }\n");
    load();
    assert_int_equal(set->count, APPS);
    assert_int_equal(set->vm_count, APPS);
    snprintf(expected, sizeof expected, "1 first %s", roots[0]);
    assert_string_equal(get(0), expected);
    snprintf(expected, sizeof expected, "1  %s", roots[1]);
    assert_string_equal(get(1), expected);
    snprintf(expected, sizeof expected, "1  %s", roots[2]);
    assert_string_equal(get(2), expected);
    assert_string_equal(set->apps[1].vm->name, "two/");
    assert_int_equal(set->apps[2].index, 2);
}

static void test_shared_interpreter(void **state)
{
    char expected[160];

    (void)state;
    app_configs[0].interpreter = "common";
    app_configs[2].interpreter = "common";
    write_file(rackups[0], "$mark = 'first'\n->(env) { [200, {}, [eval_me(env)]] }\n");
    load();
    assert_int_equal(set->vm_count, 2);
    assert_ptr_equal(set->apps[0].vm, set->apps[2].vm);
    assert_string_equal(set->apps[0].vm->name, "common");
    snprintf(expected, sizeof expected, "1 first %s", roots[2]); /* the library was loaded once */
    assert_string_equal(get(2), expected);
    snprintf(expected, sizeof expected, "1  %s", roots[1]);
    assert_string_equal(get(1), expected);
}

static void test_files_are_loaded_in_their_root(void **state)
{
    (void)state;
    write_file(rackups[1], "at = Dir.getwd\n->(env) { [200, {}, [at]] }\n");
    load();
    assert_string_equal(get(1), roots[1]);
    char *back = getcwd(NULL, 0);
    assert_string_equal(back, roots[1]); /* where the request left it */
    free(back);
}

static void test_loading_leaves_the_working_directory(void **state)
{
    (void)state;
    load();
    char *back = getcwd(NULL, 0);
    assert_string_equal(back, "/");
    free(back);
}

static void test_root_is_the_directory_that_was_opened(void **state)
{
    char moved[160];

    (void)state;
    load();
    snprintf(moved, sizeof moved, "%s/moved", directory);
    assert_int_equal(rename(roots[1], moved), 0);
    assert_non_null(strstr(get(1), "/moved"));
}

static void test_app_without_rack(void **state)
{
    (void)state;
    app_configs[1].rack = NULL;
    load();
    assert_int_equal(set->vm_count, 2);
    assert_null(set->apps[1].vm);
    assert_non_null(strstr(get(1), "404 Not Found"));
}

static void test_failure_names_app_file_and_line(void **state)
{
    char expected[512];

    (void)state;
    write_file(rackups[1], "x = 1\nboom\n");
    snprintf(expected, sizeof expected, "two/: undefined method 'boom' (NoMethodError)\n  %s:2", rackups[1]);
    assert_string_equal(load_error(), expected);
}

static void test_syntax_error_names_app_file_line_and_column(void **state)
{
    char expected[512];

    (void)state;
    write_file(rackups[2], "x = [\n");
    snprintf(expected, sizeof expected, "three/: %s:2:0: syntax error", rackups[2]);
    load_error();
    assert_ptr_equal(strstr(error.data, expected), error.data);
}

static void test_failing_preload(void **state)
{
    char expected[512];

    (void)state;
    write_file(library, "\nraise 'not today'\n");
    snprintf(expected, sizeof expected, "one/: preload %s: not today (RuntimeError)\n  %s:2", library, library);
    assert_string_equal(load_error(), expected);
}

static void test_missing_files_and_roots(void **state)
{
    char expected[512];

    (void)state;
    unlink(rackups[0]);
    snprintf(expected, sizeof expected, "one/: cannot load such file -- %s (LoadError)", rackups[0]);
    assert_string_equal(load_error(), expected);
    strbuf_consume(&error, error.length);
    app_configs[0].root = "/nowhere";
    assert_string_equal(load_error(), "one/: root /nowhere: No such file or directory");
}

static void test_check_compiles_everything_and_runs_nothing(void **state)
{
    static struct config_hook hook = { .event = HOOK_ACCESS };
    char path[160];

    (void)state;
    write_file(rackups[0], "raise 'ran'\n");
    assert_int_equal(app_set_check(&pool, &error), 0);
    assert_int_equal(error.length, 0);

    snprintf(path, sizeof path, "%s/hook.rb", directory);
    write_file(path, "end\n");
    hook.file = path;
    app_configs[1].hooks = &hook;
    app_configs[1].hook_count = 1;
    app_configs[2].rack = rackups[1]; /* named twice, told once */
    write_file(rackups[1], "x = [\n");
    write_file(library, "class x\nend\n");
    size_t count = app_set_check(&pool, &error);
    assert_in_range(count, 3, 5);
    assert_non_null(strstr(error.data, "lib.rb:1:"));
    assert_non_null(strstr(error.data, "hook.rb:1:"));
    assert_non_null(strstr(error.data, "1/config.ru:2:0: "));
    assert_null(strstr(strstr(error.data, "1/config.ru:2:0: ") + 1, "1/config.ru:2:0: "));
}

static void test_after_fork(void **state)
{
    (void)state;
    write_file(rackups[0], "R = Random.new\n->(env) { [200, {}, [[rand(1 << 30), R.rand(1 << 30)].inspect]] }\n");
    load();
    app_set_after_fork(set);
    char *first = strdup(get(0));
    app_set_after_fork(set);
    assert_string_not_equal(get(0), first);
    free(first);
}

static void test_many_apps(void **state)
{
    enum { MANY = 50 };
    static struct config_app many[MANY];
    static char names[MANY][32];

    (void)state;
    for (int i = 0; i < MANY; i++) {
        many[i] = app_configs[i % APPS];
        snprintf(names[i], sizeof names[i], "app %d/", i);
        many[i].name = names[i];
    }
    pool.apps = many;
    pool.app_count = MANY;
    load();
    assert_int_equal(set->vm_count, MANY);
    assert_non_null(strstr(get(MANY - 1), directory));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_app_has_its_own_interpreter),
        TEST(test_shared_interpreter),
        TEST(test_files_are_loaded_in_their_root),
        TEST(test_loading_leaves_the_working_directory),
        TEST(test_root_is_the_directory_that_was_opened),
        TEST(test_app_without_rack),
        TEST(test_failure_names_app_file_and_line),
        TEST(test_syntax_error_names_app_file_line_and_column),
        TEST(test_failing_preload),
        TEST(test_missing_files_and_roots),
        TEST(test_check_compiles_everything_and_runs_nothing),
        TEST(test_after_fork),
        TEST(test_many_apps),
    };

    return cmocka_run_group_tests_name("app", tests, NULL, NULL);
}
