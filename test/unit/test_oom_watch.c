/* Kills by the kernel, told from a counter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "oom_watch.h"

#define SECOND CLOCK_NS_PER_S

static char path[64];

static int make_path(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/cowherd-oom-%ld", (long)getpid());
    return 0;
}

static int remove_path(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static void set(unsigned kills)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fprintf(file, "low 0\nhigh 3\nmax 7\noom 9\noom_kill %u\noom_group_kill 5\n", kills);
    fclose(file);
}

static void test_each_kill_counts_once(void **state)
{
    struct oom_watch watch;

    (void)state;
    set(4);
    oom_watch_start(&watch, path);
    assert_false(oom_watch_take(&watch));
    set(6);
    assert_true(oom_watch_take(&watch));
    assert_true(oom_watch_take(&watch));
    assert_false(oom_watch_take(&watch));
    oom_watch_stop(&watch);
}

static void test_kills_of_others_are_forgotten(void **state)
{
    struct oom_watch watch;

    (void)state;
    set(0);
    oom_watch_start(&watch, path);
    set(1);
    oom_watch_look(&watch, 100 * SECOND);
    oom_watch_look(&watch, 105 * SECOND);
    assert_int_equal(watch.seen, 0);
    oom_watch_look(&watch, 111 * SECOND);
    assert_false(oom_watch_take(&watch));
    set(2);
    oom_watch_look(&watch, 112 * SECOND);
    assert_true(oom_watch_take(&watch));
    oom_watch_look(&watch, 113 * SECOND);
    assert_int_equal(watch.risen_ns, 0);
    oom_watch_stop(&watch);
}

static void test_a_counter_that_goes_away(void **state)
{
    struct oom_watch watch;

    (void)state;
    set(1);
    oom_watch_start(&watch, path);
    unlink(path);
    assert_false(oom_watch_take(&watch));
    oom_watch_look(&watch, SECOND);
    oom_watch_stop(&watch);
    oom_watch_start(&watch, NULL);
    assert_non_null(watch.path);
    oom_watch_take(&watch);
    oom_watch_stop(&watch);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kill_counts_once),
        cmocka_unit_test(test_kills_of_others_are_forgotten),
        cmocka_unit_test(test_a_counter_that_goes_away),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
