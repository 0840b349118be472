#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "renewal.h"

#define HOUR INT64_C(3600000000000)

static void a_tenth_less_to_a_tenth_more(void **state)
{
    (void)state;
    int64_t least = HOUR, most = HOUR;
    for (uint64_t i = 0; i < 100000; i++) {
        int64_t pause = renewal_pause(HOUR, i * UINT64_C(0x9e3779b97f4a7c15));
        assert_true(pause >= HOUR / 10 * 9 && pause <= HOUR / 10 * 11);
        least = pause < least ? pause : least;
        most = pause > most ? pause : most;
    }
    assert_true(least < HOUR / 100 * 91);
    assert_true(most > HOUR / 100 * 109);
}

static void the_bounds(void **state)
{
    (void)state;
    assert_int_equal(renewal_pause(100, 0), 90);
    assert_int_equal(renewal_pause(100, 20), 110);
    assert_int_equal(renewal_pause(100, 21), 90);
    assert_int_equal(renewal_pause(100, 10), 100);
    assert_int_equal(renewal_pause(0, UINT64_MAX), 0);
    assert_int_equal(renewal_pause(1, UINT64_MAX), 1);
    assert_true(renewal_pause(INT64_MAX / 2, UINT64_MAX) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tenth_less_to_a_tenth_more),
        cmocka_unit_test(the_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
