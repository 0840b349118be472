/* Which requests are refused because they kill their workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <unistd.h>

#include "poison.h"

#define SECOND CLOCK_NS_PER_S
#define EXITED(code) ((code) << 8)

static void test_who_is_the_cause(void **state)
{
    static const int crashes[] = { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP };
    static const int sent[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGALRM, SIGUSR1, SIGXCPU, SIGPIPE };

    (void)state;
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++) {
        assert_true(poison_is_cause(crashes[i], false, false));
        assert_true(poison_is_cause(crashes[i], true, false));
    }
    for (size_t i = 0; i < sizeof sent / sizeof *sent; i++)
        assert_false(poison_is_cause(sent[i], false, false));
    assert_false(poison_is_cause(SIGKILL, false, false));
    assert_true(poison_is_cause(SIGKILL, false, true));
    assert_true(poison_is_cause(EXITED(0), false, false));
    assert_true(poison_is_cause(EXITED(3), false, false));
    assert_false(poison_is_cause(EXITED(0), true, false));
    assert_false(poison_is_cause(EXITED(3), true, false));
}

static void test_refused_after_the_second_death(void **state)
{
    struct poison poison = { 0 };

    (void)state;
    assert_int_equal(poison_killed(&poison, 7, SECOND), 1);
    assert_int_equal(poison_killed(&poison, 8, SECOND), 1);
    assert_int_equal(poison_refused(&poison), 0);
    assert_int_equal(poison_killed(&poison, 7, 2 * SECOND), 2);
    assert_int_equal(poison_refused(&poison), 1);
    assert_int_equal(poison.count, 2);
}

static void test_forgotten_after_a_while(void **state)
{
    struct poison poison = { 0 };

    (void)state;
    poison_killed(&poison, 7, SECOND);
    poison_killed(&poison, 7, 2 * SECOND);
    poison_killed(&poison, 9, 3 * SECOND);
    poison_killed(&poison, 8, 100 * SECOND);
    poison_killed(&poison, 8, 101 * SECOND);
    assert_false(poison_forget(&poison, 2 * SECOND + POISON_MEMORY_NS));
    assert_int_equal(poison.count, 3);
    assert_true(poison_forget(&poison, 4 * SECOND + POISON_MEMORY_NS));
    assert_int_equal(poison.count, 1);
    assert_int_equal(poison.suspects[0].hash, 8);
    assert_int_equal(poison_killed(&poison, 7, 5 * SECOND + POISON_MEMORY_NS), 1);
}

static void test_the_oldest_makes_room(void **state)
{
    struct poison poison = { 0 };

    (void)state;
    for (uint64_t i = 0; i < POISON_SUSPECTS; i++)
        poison_killed(&poison, 1000 + i, (int64_t)i);
    assert_int_equal(poison_killed(&poison, 1000, 499), 2);
    poison_killed(&poison, 1, 500);
    assert_int_equal(poison.count, POISON_SUSPECTS);
    assert_int_equal(poison_killed(&poison, 1000, 501), 3);
    assert_int_equal(poison_killed(&poison, 1, 502), 2);
    assert_int_equal(poison_killed(&poison, 1001, 503), 1);
}

static void test_the_newest_are_published(void **state)
{
    struct poison poison = { 0 };
    int fd;
    struct scoreboard *board = scoreboard_create(1, &fd);

    (void)state;
    assert_non_null(board);
    poison_publish(&poison, board);
    assert_int_equal(board->poison_count, 0);
    for (uint64_t i = 0; i < 40; i++) {
        poison_killed(&poison, 100 + i, (int64_t)i);
        if (i % 4 != 3)
            poison_killed(&poison, 100 + i, (int64_t)i);
    }
    poison_publish(&poison, board);
    assert_int_equal(board->poison_count, SCOREBOARD_POISON_MAX);
    for (uint32_t i = 0; i < SCOREBOARD_POISON_MAX; i++) {
        assert_in_range(board->poison[i], 120, 138);
        assert_true(board->poison[i] % 4 != 3);
        for (uint32_t j = 0; j < i; j++)
            assert_true(board->poison[i] != board->poison[j]);
    }
    poison_forget(&poison, INT64_MAX / 2);
    poison_publish(&poison, board);
    assert_int_equal(board->poison_count, 0);
    scoreboard_detach(board);
    close(fd);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_the_cause),         cmocka_unit_test(test_refused_after_the_second_death),
        cmocka_unit_test(test_forgotten_after_a_while),  cmocka_unit_test(test_the_oldest_makes_room),
        cmocka_unit_test(test_the_newest_are_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
