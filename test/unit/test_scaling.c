/* How many workers a pool is to have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scaling.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct scaling_bounds on_demand = { .min = 0, .max = 8, .spare = 1, .idle_ns = 10 * SECOND };
static const struct scaling_bounds bounded = { .min = 2, .max = 8, .spare = 1, .idle_ns = 10 * SECOND };
static const struct scaling_bounds without_spare = { .min = 1, .max = 8, .spare = 0, .idle_ns = 10 * SECOND };
static const struct scaling_bounds many_spare = { .min = 1, .max = 8, .spare = 3, .idle_ns = 10 * SECOND };

/* What a test says nothing about is unlimited and unknown. */
#define FACTS(...) QUEUED(-1, __VA_ARGS__)
#define QUEUED(queue, ...) (&(struct scaling_facts){ .waiting = (queue), .room = SCALING_NO_BUDGET, __VA_ARGS__ })

static void test_demand(void **state)
{
    const struct {
        const struct scaling_bounds *bounds;
        const struct scaling_facts *facts;
        unsigned demand;
    } cells[] = {
        /* without load */
        { &on_demand, FACTS(.serving = 0), 0 },
        { &on_demand, FACTS(.serving = 3), 0 },
        { &bounded, FACTS(.serving = 2), 2 },
        { &without_spare, FACTS(.serving = 1), 1 },
        { &many_spare, FACTS(.serving = 1), 3 },
        /* the busy ones and the spare ones, between the bounds */
        { &on_demand, FACTS(.serving = 3, .busy = 1), 2 },
        { &on_demand, FACTS(.serving = 9, .busy = 8), 8 },
        { &bounded, FACTS(.serving = 3, .busy = 1), 2 },
        { &bounded, FACTS(.serving = 5, .busy = 4), 5 },
        { &without_spare, FACTS(.serving = 5, .busy = 4), 4 },
        { &many_spare, FACTS(.serving = 5, .busy = 4), 7 },
        { &many_spare, FACTS(.serving = 7, .busy = 6), 8 },
        /* the first call */
        { &on_demand, FACTS(.called = true), 1 },
        { &on_demand, QUEUED(0, .called = true), 1 },
        { &on_demand, QUEUED(5, .called = true), 1 },
        { &on_demand, QUEUED(5, .serving = 0), 1 },
        { &on_demand, QUEUED(5, .starting = 1), 1 },
        /* somebody is there for those who wait; with none needed otherwise, one stays for them */
        { &on_demand, QUEUED(5, .serving = 1), 1 },
        { &on_demand, FACTS(.serving = 1, .served = true), 1 },
        { &on_demand, FACTS(.serving = 4, .served = true), 1 },
        { &bounded, FACTS(.serving = 2, .served = true), 2 },
        { &bounded, QUEUED(9, .serving = 3, .busy = 2), 3 },
        /* somebody is, and does not take them */
        { &without_spare, QUEUED(1, .serving = 1, .waiting_ns = SCALING_PATIENCE_NS - 1), 1 },
        { &without_spare, QUEUED(1, .serving = 1, .waiting_ns = SCALING_PATIENCE_NS), 2 },
        { &on_demand, QUEUED(9, .serving = 2, .waiting_ns = SCALING_PATIENCE_NS), 5 },
        /* nobody is: at most twice as many */
        { &without_spare, QUEUED(0, .serving = 2, .busy = 2), 2 },
        { &without_spare, QUEUED(1, .serving = 2, .busy = 2), 3 },
        { &without_spare, QUEUED(9, .serving = 2, .busy = 2), 4 },
        { &bounded, QUEUED(9, .serving = 2, .busy = 2), 5 },
        { &bounded, QUEUED(9, .serving = 6, .busy = 6), 8 },
        /* how many wait isn't known: one more when it has lasted */
        { &without_spare, FACTS(.serving = 2, .busy = 2), 2 },
        { &without_spare, FACTS(.serving = 2, .busy = 2, .all_busy_ns = SCALING_PERIOD_NS - 1), 2 },
        { &without_spare, FACTS(.serving = 2, .busy = 2, .all_busy_ns = SCALING_PERIOD_NS), 3 },
        { &without_spare, QUEUED(0, .serving = 2, .busy = 2, .all_busy_ns = SCALING_PERIOD_NS), 2 },
        { &on_demand, FACTS(.all_busy_ns = SCALING_PERIOD_NS), 0 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cells); i++)
        if (scaling_demand(cells[i].bounds, cells[i].facts) != cells[i].demand)
            fail_msg("cell %zu: %u in place of %u", i, scaling_demand(cells[i].bounds, cells[i].facts),
                     cells[i].demand);
}

static void test_growth_is_immediate(void **state)
{
    struct scaling scaling = { .wanted = 2 };
    (void)state;
    scaling_step(&scaling, &bounded, QUEUED(7, .now_ns = SECOND, .serving = 2, .busy = 2, .present = 2));
    assert_int_equal(scaling.wanted, 5);
    assert_false(scaling.held_back);
    /* Those on their way are waited for. */
    scaling_step(&scaling, &bounded, QUEUED(7, .now_ns = SECOND, .serving = 2, .busy = 2, .starting = 3, .present = 5));
    assert_int_equal(scaling.wanted, 5);
}

/* Looks with these facts from `from` until `until`; when the number changed first, or -1. */
static int64_t changes(struct scaling *scaling, const struct scaling_bounds *bounds, struct scaling_facts facts,
                       int64_t from, int64_t until)
{
    unsigned before = scaling->wanted;
    for (facts.now_ns = from; facts.now_ns < until; facts.now_ns += SCALING_PERIOD_NS) {
        scaling_step(scaling, bounds, &facts);
        if (scaling->wanted != before)
            return facts.now_ns;
    }
    return -1;
}

static void test_shrinks_after_idle(void **state)
{
    struct scaling scaling = { .wanted = 6 };
    const struct scaling_facts idle = *FACTS(.serving = 6, .present = 6);
    (void)state;
    assert_int_equal(changes(&scaling, &bounded, idle, SECOND, 60 * SECOND), 11 * SECOND);
    assert_int_equal(scaling.wanted, 2);
    assert_int_equal(scaling.below_since_ns, 0);

    scaling_set(&scaling, 6);
    assert_int_equal(changes(&scaling, &on_demand, idle, SECOND, 60 * SECOND), 11 * SECOND);
    assert_int_equal(scaling.wanted, 0);
    assert_int_equal(changes(&scaling, &on_demand, *FACTS(.serving = 0), 12 * SECOND, 99 * SECOND), -1);
}

static void test_keeps_what_the_highest_demand_needed(void **state)
{
    struct scaling scaling = { .wanted = 8 };
    (void)state;
    assert_int_equal(changes(&scaling, &bounded, *FACTS(.serving = 8, .present = 8), SECOND, 6 * SECOND), -1);
    scaling_step(&scaling, &bounded, FACTS(.now_ns = 6 * SECOND, .serving = 8, .busy = 3, .present = 8));
    assert_int_equal(changes(&scaling, &bounded, *FACTS(.serving = 8, .present = 8), 7 * SECOND, 60 * SECOND),
                     11 * SECOND);
    assert_int_equal(scaling.wanted, 4);
    assert_int_equal(
        changes(&scaling, &bounded, *FACTS(.serving = 4, .present = 4), 11 * SECOND + SCALING_PERIOD_NS, 60 * SECOND),
        21 * SECOND);
    assert_int_equal(scaling.wanted, 2);
}

static void test_full_load_starts_the_time_anew(void **state)
{
    struct scaling scaling = { .wanted = 4 };
    const struct scaling_facts idle = *FACTS(.serving = 4, .present = 4);
    (void)state;
    assert_int_equal(changes(&scaling, &bounded, idle, SECOND, 5 * SECOND), -1);
    scaling_step(&scaling, &bounded, FACTS(.now_ns = 5 * SECOND, .serving = 4, .busy = 3, .present = 4));
    assert_int_equal(changes(&scaling, &bounded, idle, 6 * SECOND, 60 * SECOND), 16 * SECOND);
}

static void test_who_is_starting_gets_its_chance(void **state)
{
    struct scaling scaling = { .wanted = 1 };
    const struct scaling_bounds at_once = { .min = 0, .max = 8, .spare = 1, .idle_ns = 0 };
    (void)state;
    assert_int_equal(changes(&scaling, &at_once, *FACTS(.starting = 1, .present = 1), SECOND, 60 * SECOND), -1);
    /* And then a look's time, even with an `idle` of 0. */
    assert_int_equal(changes(&scaling, &at_once, *FACTS(.serving = 1, .present = 1), 60 * SECOND, 99 * SECOND),
                     60 * SECOND + SCALING_PERIOD_NS);
    assert_int_equal(scaling.wanted, 0);
}

static void test_trickle_keeps_one(void **state)
{
    struct scaling scaling = { .wanted = 3 };
    (void)state;
    assert_int_equal(
        changes(&scaling, &on_demand, *FACTS(.serving = 3, .present = 3, .served = true), SECOND, 60 * SECOND),
        11 * SECOND);
    assert_int_equal(scaling.wanted, 1);
    assert_int_equal(
        changes(&scaling, &on_demand, *FACTS(.serving = 1, .present = 1, .served = true), 12 * SECOND, 99 * SECOND),
        -1);
}

static void test_budget(void **state)
{
    const struct {
        const struct scaling_bounds *bounds;
        unsigned before, present;
        uint64_t room;
        unsigned wanted;
        bool held_back;
    } cells[] = {
        { &bounded, 2, 2, SCALING_NO_BUDGET, 7, false },
        { &bounded, 2, 2, 5, 7, false },
        { &bounded, 2, 2, 4, 6, true },
        { &bounded, 2, 2, 0, 2, true },
        { &bounded, 4, 4, 1, 5, true },
        /* what is there is not taken, nor the minimum or the first worker refused */
        { &bounded, 4, 3, 0, 4, true },
        { &bounded, 0, 0, 0, 2, true },
        { &on_demand, 0, 0, 0, 1, true },
        { &on_demand, 0, 0, 3, 3, true },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cells); i++) {
        struct scaling scaling = { .wanted = cells[i].before };
        const struct scaling_facts facts = {
            .serving = 8, .busy = 6, .present = cells[i].present, .waiting = -1, .room = cells[i].room
        };
        scaling_step(&scaling, cells[i].bounds, &facts);
        if (scaling.wanted != cells[i].wanted || scaling.held_back != cells[i].held_back)
            fail_msg("cell %zu: %u in place of %u", i, scaling.wanted, cells[i].wanted);
        scaling_step(&scaling, cells[i].bounds, FACTS(.serving = 8));
        assert_false(scaling.held_back);
    }
}

static void test_room(void **state)
{
    (void)state;
    assert_true(scaling_room(0, 500, 3, 100) == SCALING_NO_BUDGET);
    assert_int_equal(scaling_room(1000, 500, 0, 100), 5);
    assert_int_equal(scaling_room(1000, 501, 0, 100), 4);
    assert_int_equal(scaling_room(1000, 500, 200, 100), 3);
    assert_int_equal(scaling_room(1000, 500, 201, 100), 2);
    assert_int_equal(scaling_room(1000, 500, 500, 100), 0);
    assert_int_equal(scaling_room(1000, 500, 600, 100), 0);
    assert_int_equal(scaling_room(1000, 1000, 0, 100), 0);
    assert_int_equal(scaling_room(1000, 2000, 0, 100), 0);
    /* Nobody was measured yet. */
    assert_int_equal(scaling_room(1000, 500, 0, 0), 0);
}

static void test_first(void **state)
{
    (void)state;
    assert_int_equal(scaling_first(&on_demand, 0, false), 0);
    assert_int_equal(scaling_first(&on_demand, 0, true), 1);
    assert_int_equal(scaling_first(&on_demand, 3, true), 3);
    assert_int_equal(scaling_first(&on_demand, 20, false), 8);
    assert_int_equal(scaling_first(&bounded, 0, true), 2);
    assert_int_equal(scaling_first(&bounded, 5, false), 5);
    assert_int_equal(scaling_first(&many_spare, 0, false), 3);
    assert_int_equal(scaling_first(&without_spare, 0, false), 1);
}

static void test_set_keeps_for_idle(void **state)
{
    struct scaling scaling = { .wanted = 2, .below_since_ns = SECOND, .peak = 2 };
    (void)state;
    scaling_set(&scaling, 5);
    assert_int_equal(changes(&scaling, &bounded, *FACTS(.serving = 5, .present = 5), 20 * SECOND, 60 * SECOND),
                     30 * SECOND);
    assert_int_equal(scaling.wanted, 2);
}

static void test_ceiling(void **state)
{
    (void)state;
    assert_int_equal(scaling_ceiling(1), 9);
    assert_int_equal(scaling_ceiling(8), 16);
    assert_int_equal(scaling_ceiling(9), 18);
    assert_int_equal(scaling_ceiling(1000), 1024);
    assert_int_equal(scaling_ceiling(1024), 1024);
}

static void test_victim(void **state)
{
    const struct {
        struct scaling_worker workers[4]; /* .candidate, .idle, .started_ns */
        size_t victim;
    } cells[] = {
        { { { 0 } }, SCALING_NOBODY },
        { { { false, true, 9 } }, SCALING_NOBODY },
        { { { true, true, 1 }, { true, true, 2 }, { true, true, 3 } }, 2 },
        { { { true, true, 3 }, { true, true, 2 }, { true, true, 1 } }, 0 },
        { { { true, true, 1 }, { true, true, 2 }, { true, false, 3 } }, 1 },
        { { { true, false, 1 }, { true, false, 3 }, { true, false, 2 } }, 1 },
        { { { true, false, 9 }, { true, true, 1 }, { false, true, 8 }, { true, true, 2 } }, 3 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cells); i++)
        if (scaling_victim(cells[i].workers, 4) != cells[i].victim)
            fail_msg("cell %zu: %zu", i, scaling_victim(cells[i].workers, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_demand),
        cmocka_unit_test(test_growth_is_immediate),
        cmocka_unit_test(test_shrinks_after_idle),
        cmocka_unit_test(test_keeps_what_the_highest_demand_needed),
        cmocka_unit_test(test_full_load_starts_the_time_anew),
        cmocka_unit_test(test_who_is_starting_gets_its_chance),
        cmocka_unit_test(test_trickle_keeps_one),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_first),
        cmocka_unit_test(test_set_keeps_for_idle),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_victim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
