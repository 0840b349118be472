/* When the fallback comes and goes: every combination of what it looks at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fallback_policy.h"

static enum fallback_action expected(const struct fallback_facts *facts)
{
    bool needed = facts->in_trouble && facts->serving == 0;

    if (facts->accepts)
        return needed ? FALLBACK_LEAVE_AS_IS : FALLBACK_RETIRE;
    bool worth_it = facts->pause_ns >= FALLBACK_PAUSE_NS || facts->without_ns >= FALLBACK_WITHOUT_NS;
    return needed && !facts->present && worth_it ? FALLBACK_START : FALLBACK_LEAVE_AS_IS;
}

static void test_every_cell(void **state)
{
    static const int64_t pauses[] = { 0, FALLBACK_PAUSE_NS - 1, FALLBACK_PAUSE_NS };
    static const int64_t withouts[] = { 0, FALLBACK_WITHOUT_NS - 1, FALLBACK_WITHOUT_NS };

    (void)state;
    for (unsigned bits = 0; bits < 1 << 4; bits++)
        for (size_t pause = 0; pause < 3; pause++)
            for (size_t without = 0; without < 3; without++) {
                const struct fallback_facts facts = {
                    .present = bits & 1,
                    .accepts = bits & 2,
                    .in_trouble = bits & 4,
                    .serving = bits & 8 ? 2 : 0,
                    .pause_ns = pauses[pause],
                    .without_ns = withouts[without],
                };
                assert_int_equal(fallback_decide(&facts), expected(&facts));
            }
}

static void test_the_cases_that_matter(void **state)
{
    struct fallback_facts facts = { .in_trouble = true, .pause_ns = 10 * CLOCK_NS_PER_S };

    (void)state;
    assert_int_equal(fallback_decide(&facts), FALLBACK_START);
    facts.serving = 1;
    assert_int_equal(fallback_decide(&facts), FALLBACK_LEAVE_AS_IS);
    facts.present = facts.accepts = true;
    assert_int_equal(fallback_decide(&facts), FALLBACK_RETIRE);
    facts.accepts = false;
    facts.serving = 0;
    assert_int_equal(fallback_decide(&facts), FALLBACK_LEAVE_AS_IS);
    /* Nobody is missing in a pool that has none because none is wanted. */
    facts = (struct fallback_facts){ .without_ns = 1000 * CLOCK_NS_PER_S };
    assert_int_equal(fallback_decide(&facts), FALLBACK_LEAVE_AS_IS);
}

static void test_retry_after(void **state)
{
    (void)state;
    assert_int_equal(fallback_retry_after(-5 * CLOCK_NS_PER_S), 1);
    assert_int_equal(fallback_retry_after(0), 1);
    assert_int_equal(fallback_retry_after(CLOCK_NS_PER_S), 1);
    assert_int_equal(fallback_retry_after(CLOCK_NS_PER_S + 1), 2);
    assert_int_equal(fallback_retry_after(30 * CLOCK_NS_PER_S), 30);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cell),
        cmocka_unit_test(test_the_cases_that_matter),
        cmocka_unit_test(test_retry_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
