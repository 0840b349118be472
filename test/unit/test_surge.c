/* How a generation takes the place of another: the choice, each step, and whole replacements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "surge.h"

#define MIB (UINT64_C(1) << 20)

static void the_setting_decides_but_for_auto(void **state)
{
    (void)state;
    const struct surge_memory much = { .budget = 1, .taken = MIB, .loaded = MIB, .worker = MIB, .workers = 4 };
    const struct surge_memory none = { .budget = 0, .taken = MIB, .loaded = MIB, .worker = MIB, .workers = 4 };
    assert_false(surge_is_one_by_one(SURGE_GENERATION, &much));
    assert_true(surge_is_one_by_one(SURGE_ONE_BY_ONE, &none));
    assert_true(surge_is_one_by_one(SURGE_AUTO, &much));
    assert_false(surge_is_one_by_one(SURGE_AUTO, &none));
}

static void auto_weighs_both_generations(void **state)
{
    (void)state;
    struct surge_memory memory = { .taken = 100 * MIB, .loaded = 60 * MIB, .worker = 2 * MIB, .workers = 5 };
    assert_int_equal(surge_both(&memory), 170 * MIB);
    memory.budget = 170 * MIB;
    assert_false(surge_is_one_by_one(SURGE_AUTO, &memory));
    memory.budget = 170 * MIB - 1;
    assert_true(surge_is_one_by_one(SURGE_AUTO, &memory));
}

struct step {
    struct surge_facts facts;
    enum surge_action action;
};

static const struct step steps[] = {
    /* wanted, new serving, new starting, old serving, old leaving */
    { { 2, 0, 0, 2, 0 }, SURGE_ORDER }, { { 2, 0, 1, 2, 0 }, SURGE_WAIT },  { { 2, 1, 0, 2, 0 }, SURGE_DRAIN },
    { { 2, 1, 0, 1, 1 }, SURGE_WAIT },  { { 2, 1, 0, 1, 0 }, SURGE_ORDER }, { { 2, 1, 1, 1, 0 }, SURGE_WAIT },
    { { 2, 2, 0, 1, 0 }, SURGE_DONE },  { { 1, 0, 0, 1, 0 }, SURGE_ORDER }, { { 1, 1, 0, 1, 0 }, SURGE_DONE },
    { { 4, 1, 0, 2, 0 }, SURGE_ORDER }, { { 2, 1, 0, 5, 0 }, SURGE_DRAIN }, { { 2, 1, 0, 4, 1 }, SURGE_DRAIN },
    { { 2, 0, 0, 5, 0 }, SURGE_ORDER }, { { 2, 1, 0, 0, 0 }, SURGE_ORDER }, { { 2, 0, 0, 0, 2 }, SURGE_WAIT },
    { { 2, 2, 1, 2, 2 }, SURGE_DONE },
};

static void each_step(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (surge_step(&steps[i].facts) != steps[i].action)
            fail_msg("step %zu: %d", i, surge_step(&steps[i].facts));
}

/* Whatever the sizes: it ends, somebody always serves, and there is never more than one worker too many. */
static void whole_replacements(void **state)
{
    (void)state;
    for (unsigned wanted = 1; wanted <= 6; wanted++)
        for (unsigned old = 1; old <= 6; old++) {
            struct surge_facts facts = { .wanted = wanted, .old_serving = old };
            enum surge_action action;
            unsigned most = (wanted > old ? wanted : old) + 1;
            for (int step = 0; (action = surge_step(&facts)) != SURGE_DONE; step++) {
                assert_in_range(step, 0, 100);
                if (action == SURGE_ORDER) {
                    facts.new_starting++;
                } else if (action == SURGE_DRAIN) {
                    facts.old_serving--;
                    facts.old_leaving++;
                } else if (facts.new_starting > 0) {
                    facts.new_starting--;
                    facts.new_serving++;
                } else {
                    assert_true(facts.old_leaving > 0);
                    facts.old_leaving--;
                }
                unsigned all = facts.new_serving + facts.new_starting + facts.old_serving + facts.old_leaving;
                assert_in_range(all, 1, most);
                assert_true(facts.new_serving + facts.old_serving > 0);
            }
            assert_int_equal(facts.new_serving, wanted);
        }
}

static void the_old_keep_what_the_new_have_not_taken(void **state)
{
    (void)state;
    assert_int_equal(surge_old_keeps(4, 4, 0), 4);
    assert_int_equal(surge_old_keeps(4, 4, 1), 3);
    assert_int_equal(surge_old_keeps(4, 4, 4), 0);
    assert_int_equal(surge_old_keeps(4, 4, 5), 0);
    assert_int_equal(surge_old_keeps(2, 4, 1), 2);
    assert_int_equal(surge_old_keeps(4, 2, 0), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_setting_decides_but_for_auto),
        cmocka_unit_test(auto_weighs_both_generations),
        cmocka_unit_test(each_step),
        cmocka_unit_test(whole_replacements),
        cmocka_unit_test(the_old_keep_what_the_new_have_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
