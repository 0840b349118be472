/* The pauses between tries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backoff.h"

static const struct backoff_policy even = { .first_ns = 100, .longest_ns = 1000 };
static const struct backoff_policy uneven = { .first_ns = 100, .longest_ns = 1000, .jitter = 20 };

static void test_each_pause_is_twice_the_one_before(void **state)
{
    struct backoff backoff = { 0 };
    static const int64_t pauses[] = { 100, 200, 400, 800, 1000, 1000, 1000 };

    (void)state;
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++)
        assert_int_equal(backoff_failed(&backoff, &even, 12345), pauses[i]);
    assert_int_equal(backoff.failures, 7);
}

static void test_success_begins_anew(void **state)
{
    struct backoff backoff = { 0 };

    (void)state;
    backoff_failed(&backoff, &even, 0);
    backoff_failed(&backoff, &even, 0);
    backoff_succeeded(&backoff);
    assert_int_equal(backoff.failures, 0);
    assert_int_equal(backoff_failed(&backoff, &even, 0), 100);
}

static void test_jitter_makes_pauses_shorter(void **state)
{
    (void)state;
    for (unsigned failures = 0; failures < 6; failures++) {
        struct backoff full = { failures }, half = { failures }, none = { failures }, same = { failures };
        int64_t pause = backoff_failed(&none, &even, 0);

        assert_int_equal(backoff_failed(&same, &uneven, 0), pause);
        assert_in_range(backoff_failed(&half, &uneven, UINT32_MAX / 2), pause * 89 / 100, pause * 91 / 100);
        assert_int_equal(backoff_failed(&full, &uneven, UINT32_MAX), pause * 80 / 100);
    }
}

static void test_many_failures_overflow_nothing(void **state)
{
    struct backoff backoff = { UINT32_MAX - 1 };
    const struct backoff_policy long_one = { .first_ns = INT64_MAX / 3, .longest_ns = INT64_MAX };

    (void)state;
    assert_int_equal(backoff_failed(&backoff, &even, 0), 1000);
    assert_int_equal(backoff_failed(&backoff, &even, 0), 1000);
    assert_int_equal(backoff.failures, UINT32_MAX);
    backoff.failures = 4;
    assert_int_equal(backoff_failed(&backoff, &long_one, 0), INT64_MAX);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_pause_is_twice_the_one_before),
        cmocka_unit_test(test_success_begins_anew),
        cmocka_unit_test(test_jitter_makes_pauses_shorter),
        cmocka_unit_test(test_many_failures_overflow_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
