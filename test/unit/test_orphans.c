/* Who was reaped before anybody knew them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "orphans.h"

#define MORE_THAN_REMEMBERED 1000

static void test_each_is_told_of_once(void **state)
{
    int status = -1;

    (void)state;
    orphans_add(101, 9, 50);
    orphans_add(102, 256, 50);
    assert_true(orphans_take(101, 50, &status));
    assert_int_equal(status, 9);
    assert_false(orphans_take(101, 0, &status));
    assert_true(orphans_take(102, 49, &status));
    assert_int_equal(status, 256);
    assert_false(orphans_take(103, 0, &status));
}

/* Numbers of processes are used again: a worker must not be buried because a stranger had its number before. */
static void test_who_had_the_number_before_is_another(void **state)
{
    int status = -1;

    (void)state;
    orphans_add(104, 0, 50);
    assert_false(orphans_take(104, 51, &status));
    assert_int_equal(status, -1);
    orphans_add(104, 15, 60);
    assert_true(orphans_take(104, 51, &status));
    assert_int_equal(status, 15);
}

static void test_the_oldest_are_forgotten(void **state)
{
    int status;

    (void)state;
    for (int i = 0; i < MORE_THAN_REMEMBERED; i++)
        orphans_add(1000 + i, 0, i + 1);
    assert_false(orphans_take(1000, 0, &status));
    assert_true(orphans_take(1000 + MORE_THAN_REMEMBERED - 1, 0, &status));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_is_told_of_once),
        cmocka_unit_test(test_who_had_the_number_before_is_another),
        cmocka_unit_test(test_the_oldest_are_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
