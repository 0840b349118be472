/* Which requests are overdue, look by look. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"
#include "overdue.h"

#define SECOND CLOCK_NS_PER_S
#define START (1000 * SECOND)

static const struct overdue_limits limits = { .request_ns = 10 * SECOND, .hard_ns = 12 * SECOND };

/* Looks once a period from `from` on; the time at which `action` was first asked for, or -1 before `until`. */
static int64_t first(struct overdue_watch *watch, const struct overdue_limits *used, int64_t from, int64_t until,
                     uint64_t sequence, enum overdue_action action)
{
    for (int64_t now = from; now < until; now += overdue_period(used))
        if (overdue_look(watch, used, now, START, sequence) == action)
            return now - START;
    return -1;
}

static void test_signal_then_end(void **state)
{
    struct overdue_watch watch = { 0 };
    int64_t period = overdue_period(&limits);

    (void)state;
    assert_in_range(first(&watch, &limits, START, START + 60 * SECOND, 1, OVERDUE_SIGNAL), 10 * SECOND,
                    10 * SECOND + period);
    assert_in_range(first(&watch, &limits, watch.looked_ns, START + 60 * SECOND, 1, OVERDUE_KILL), 12 * SECOND,
                    12 * SECOND + 2 * period);
}

static void test_signals_are_repeated(void **state)
{
    struct overdue_watch watch = { 0 };
    unsigned signals = 0;

    (void)state;
    for (int64_t now = START; now < START + 12 * SECOND; now += overdue_period(&limits))
        signals += overdue_look(&watch, &limits, now, START, 1) == OVERDUE_SIGNAL;
    assert_in_range(signals, 3, 10);
}

static void test_another_request_starts_anew(void **state)
{
    struct overdue_watch watch = { 0 };

    (void)state;
    assert_int_equal(first(&watch, &limits, START, START + 9 * SECOND, 1, OVERDUE_SIGNAL), -1);
    /* The next one began a moment ago. */
    int64_t now = START + 9 * SECOND;
    assert_int_equal(overdue_look(&watch, &limits, now, now, 2), OVERDUE_NOTHING);
    assert_int_equal(watch.age_ns, 0);
    assert_int_equal(overdue_look(&watch, &limits, now + SECOND / 10, 0, 2), OVERDUE_NOTHING);
    assert_int_equal(watch.looked_ns, 0);
}

/* The supervisor stood still for an hour, and the requests may have, too. */
static void test_a_gap_ends_nothing(void **state)
{
    struct overdue_watch watch = { 0 };

    (void)state;
    overdue_look(&watch, &limits, START + SECOND / 10, START, 1);
    assert_int_equal(overdue_look(&watch, &limits, START + 3600 * SECOND, START, 1), OVERDUE_NOTHING);
    /* Nor is one that the first look finds to have begun long ago. */
    watch = (struct overdue_watch){ 0 };
    assert_int_equal(overdue_look(&watch, &limits, START + 3600 * SECOND, START, 1), OVERDUE_NOTHING);
    assert_in_range(first(&watch, &limits, START + 3600 * SECOND, START + 7200 * SECOND, 1, OVERDUE_KILL),
                    3610 * SECOND, 3613 * SECOND);
}

static void test_either_limit_alone(void **state)
{
    const struct overdue_limits soft = { .request_ns = SECOND }, hard = { .hard_ns = SECOND }, none = { 0 };
    struct overdue_watch watch = { 0 };

    (void)state;
    assert_int_equal(first(&watch, &soft, START, START + 60 * SECOND, 1, OVERDUE_KILL), -1);
    assert_true(watch.signals > 3);
    watch = (struct overdue_watch){ 0 };
    assert_int_not_equal(first(&watch, &hard, START, START + 60 * SECOND, 1, OVERDUE_KILL), -1);
    assert_int_equal(watch.signals, 0);
    assert_int_equal(overdue_period(&none), 0);
    assert_int_equal(overdue_look(&watch, &none, START + 3600 * SECOND, START, 9), OVERDUE_NOTHING);
}

/* A clock that seems to go backwards, by a slot that is written while it is read. */
static void test_a_start_in_the_future(void **state)
{
    struct overdue_watch watch = { 0 };

    (void)state;
    assert_int_equal(overdue_look(&watch, &limits, START, START + 99 * SECOND, 1), OVERDUE_NOTHING);
    assert_int_equal(watch.age_ns, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signal_then_end),
        cmocka_unit_test(test_signals_are_repeated),
        cmocka_unit_test(test_another_request_starts_anew),
        cmocka_unit_test(test_a_gap_ends_nothing),
        cmocka_unit_test(test_either_limit_alone),
        cmocka_unit_test(test_a_start_in_the_future),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
