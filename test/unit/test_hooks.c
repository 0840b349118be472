/* Hooks of a process's life, and the paths that hooks of requests run for. */
#include "hook_path.h"
#include "hooks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_request.h"

#include <cmocka.h>

#include "clock.h"
#include "log.h"
#include "time_out.h"

static char directory[64];
static char files[4][96];
static struct config_hook hooks[4];
static struct config_app app_config;
static struct config_pool pool;
static struct slot slot;
static struct strbuf error;
static struct app_set *set;
static char text[1024];

static int set_up(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/cowherd-hooks-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    app_config = (struct config_app){ .name = "one/", .host = "*", .path = "/", .root = directory, .hooks = hooks };
    pool = (struct config_pool){ .name = "web", .apps = &app_config, .app_count = 1 };
    memset(&slot, 0, sizeof slot);
    time_out_open(&slot, CLOCK_NS_PER_S);
    return 0;
}

static int tear_down(void **state)
{
    char command[96];

    (void)state;
    app_set_free(set);
    set = NULL;
    strbuf_free(&error);
    if (chdir("/") == -1)
        return -1;
    snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command);
}

static void add(enum config_hook_event event, const char *source)
{
    size_t i = app_config.hook_count++;

    snprintf(files[i], sizeof files[i], "%s/hook%zu.rb", directory, i);
    hooks[i] = (struct config_hook){ .event = event, .file = files[i], .path = "/", .cache = true };
    FILE *file = fopen(files[i], "w");
    assert_non_null(file);
    assert_int_not_equal(fputs(source, file), EOF);
    assert_int_equal(fclose(file), 0);
}

static void load(void)
{
    set = app_set_load(&pool, NULL, &error);
    if (set == NULL)
        fail_msg("%s", error.data);
}

/* What hooks have written to the file "said" of the app's root. */
static const char *said(void)
{
    char path[96];

    snprintf(path, sizeof path, "%s/said", directory);
    FILE *file = fopen(path, "r");
    size_t length = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    text[length] = '\0';
    if (file != NULL)
        fclose(file);
    return text;
}

#define SAY(what) "File.open('said', 'a') { |f| f.write " what " }\n"

static void test_preload_runs_at_once_and_the_others_at_their_events(void **state)
{
    (void)state;
    add(HOOK_WORKER_STOP, SAY("'stop '"));
    add(HOOK_PRELOAD, SAY("'preload '"));
    add(HOOK_WORKER_START, SAY("'start '"));
    add(HOOK_WORKER_START, SAY("'second '"));
    load();
    assert_string_equal(said(), "preload ");
    assert_true(hooks_start(set, &slot, CLOCK_NS_PER_S * 10, &error));
    assert_string_equal(said(), "preload start second ");
    hooks_stop(set, &slot, CLOCK_NS_PER_S * 10);
    assert_string_equal(said(), "preload start second stop ");
    assert_string_equal(slot.request, "");
    assert_true(hooks_any(&set->apps[0], HOOK_WORKER_STOP));
    assert_false(hooks_any(&set->apps[0], HOOK_ACCESS));
}

static void test_a_start_that_raises_says_where_and_runs_no_further(void **state)
{
    (void)state;
    add(HOOK_WORKER_START, "\nraise 'no'\n");
    add(HOOK_WORKER_START, SAY("'second '"));
    load();
    assert_false(hooks_start(set, &slot, CLOCK_NS_PER_S * 10, &error));
    snprintf(text, sizeof text, "one/: worker_start hook %s: no (RuntimeError)\n  %s:2", files[0], files[0]);
    assert_memory_equal(error.data, text, strlen(text));
    assert_string_equal(said(), "");
    assert_int_equal(slot.app, 0);
}

static void test_a_hook_that_takes_too_long_is_interrupted(void **state)
{
    (void)state;
    add(HOOK_WORKER_START, "begin\nloop { }\nensure\n" SAY("'ensured '") "end\n");
    load();
    assert_false(hooks_start(set, &slot, CLOCK_NS_PER_S / 5, &error));
    assert_non_null(strstr(error.data, "the hook has run for longer than restart.ready_timeout (0.2 s) "
                                       "(Cowherd::RequestTimeout)"));
    assert_string_equal(said(), "ensured ");
}

static void test_loading_fails_with_a_hook_that_does_not_compile_or_raises(void **state)
{
    (void)state;
    add(HOOK_ACCESS, "x = (\n");
    set = app_set_load(&pool, NULL, &error);
    assert_null(set);
    snprintf(text, sizeof text, "one/: access hook %s: %s:", files[0], files[0]);
    assert_memory_equal(error.data, text, strlen(text));

    strbuf_consume(&error, error.length);
    app_config.hook_count = 0;
    add(HOOK_PRELOAD, "raise 'early'\n");
    set = app_set_load(&pool, NULL, &error);
    assert_null(set);
    snprintf(text, sizeof text, "one/: preload hook %s: early (RuntimeError)", files[0]);
    assert_memory_equal(error.data, text, strlen(text));
}

static void test_paths_match_at_segments_however_they_are_spelled(void **state)
{
    static const struct {
        const char *prefix, *path;
        bool matches;
    } examples[] = {
        { "/", "/", true },
        { "/", "", true },
        { "/", "/x", true },
        { "/a", "/a", true },
        { "/a", "/a/", true },
        { "/a", "/a/b", true },
        { "/a", "/", false },
        { "/a", "", false },
        { "/a", "/ab", false },
        { "/a", "/b/a", false },
        { "/a", "/A", false },
        { "/a", "//a", true },
        { "/a", "/./a", true },
        { "/a", "/b/../a", true },
        { "/a", "/../a", true },
        { "/a", "/../../b/../a/c", true },
        { "/a", "/a/../b", true },
        { "/a", "/b/c/../a", false },
        { "/a", "/.../a", false },
        { "/a", "/..a", false },
        { "/a/b", "/a", false },
        { "/a/b", "/a/b", true },
        { "/a/b", "/a//b", true },
        { "/a/b", "/a/./b/", true },
        { "/a/b", "/a/c/../b", true },
        { "/a/b", "/a/../b", false },
        { "/a/b", "/a/x/b", false },
        { "/a/b", "/x/a/b", false },
        { "/a/b", "/x/a/../../a/b", true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        if (hooks_match(examples[i].prefix, examples[i].path) != examples[i].matches)
            fail_msg("%s %s", examples[i].prefix, examples[i].path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_preload_runs_at_once_and_the_others_at_their_events, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_start_that_raises_says_where_and_runs_no_further, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_hook_that_takes_too_long_is_interrupted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_loading_fails_with_a_hook_that_does_not_compile_or_raises, set_up,
                                        tear_down),
        cmocka_unit_test(test_paths_match_at_segments_however_they_are_spelled),
    };

    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
