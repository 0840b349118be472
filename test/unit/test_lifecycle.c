/* The lifecycle tables, cell by cell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lifecycle.h"

struct child_case {
    enum child_state state;
    enum child_event event;
    enum child_state next;
    enum child_action action;
};

static const struct child_case child_cases[] = {
    { CHILD_STARTING, CHILD_READY, CHILD_SERVING, CHILD_DO_ANNOUNCE },
    { CHILD_STARTING, CHILD_DRAIN, CHILD_DRAINING, CHILD_DO_DRAIN },
    { CHILD_STARTING, CHILD_DEADLINE, CHILD_KILLED, CHILD_DO_KILL },
    { CHILD_STARTING, CHILD_KILL, CHILD_KILLED, CHILD_DO_KILL },
    { CHILD_STARTING, CHILD_EXIT, CHILD_GONE, CHILD_DO_REPLACE },
    { CHILD_SERVING, CHILD_READY, CHILD_SERVING, CHILD_DO_NOTHING },
    { CHILD_SERVING, CHILD_DRAIN, CHILD_DRAINING, CHILD_DO_DRAIN },
    { CHILD_SERVING, CHILD_DEADLINE, CHILD_SERVING, CHILD_DO_NOTHING },
    { CHILD_SERVING, CHILD_KILL, CHILD_KILLED, CHILD_DO_KILL },
    { CHILD_SERVING, CHILD_EXIT, CHILD_GONE, CHILD_DO_REPLACE },
    { CHILD_DRAINING, CHILD_READY, CHILD_DRAINING, CHILD_DO_NOTHING },
    { CHILD_DRAINING, CHILD_DRAIN, CHILD_DRAINING, CHILD_DO_NOTHING },
    { CHILD_DRAINING, CHILD_DEADLINE, CHILD_KILLED, CHILD_DO_KILL },
    { CHILD_DRAINING, CHILD_KILL, CHILD_KILLED, CHILD_DO_KILL },
    { CHILD_DRAINING, CHILD_EXIT, CHILD_GONE, CHILD_DO_BURY },
    { CHILD_KILLED, CHILD_READY, CHILD_KILLED, CHILD_DO_NOTHING },
    { CHILD_KILLED, CHILD_DRAIN, CHILD_KILLED, CHILD_DO_NOTHING },
    { CHILD_KILLED, CHILD_DEADLINE, CHILD_KILLED, CHILD_DO_NOTHING },
    { CHILD_KILLED, CHILD_KILL, CHILD_KILLED, CHILD_DO_NOTHING },
    { CHILD_KILLED, CHILD_EXIT, CHILD_GONE, CHILD_DO_BURY },
    { CHILD_GONE, CHILD_READY, CHILD_GONE, CHILD_DO_NOTHING },
    { CHILD_GONE, CHILD_DRAIN, CHILD_GONE, CHILD_DO_NOTHING },
    { CHILD_GONE, CHILD_DEADLINE, CHILD_GONE, CHILD_DO_NOTHING },
    { CHILD_GONE, CHILD_KILL, CHILD_GONE, CHILD_DO_NOTHING },
    { CHILD_GONE, CHILD_EXIT, CHILD_GONE, CHILD_DO_NOTHING },
};

struct generation_case {
    enum generation_state state;
    enum generation_event event;
    enum generation_state next;
    enum generation_action action;
};

static const struct generation_case generation_cases[] = {
    { GENERATION_LOADING, GENERATION_LOADED, GENERATION_WARMING, GENERATION_DO_WARM },
    { GENERATION_LOADING, GENERATION_WARM, GENERATION_LOADING, GENERATION_DO_NOTHING },
    { GENERATION_LOADING, GENERATION_WORKERS_IN, GENERATION_LOADING, GENERATION_DO_NOTHING },
    { GENERATION_LOADING, GENERATION_FAIL, GENERATION_FAILED, GENERATION_DO_ABANDON },
    { GENERATION_LOADING, GENERATION_DRAIN, GENERATION_FAILED, GENERATION_DO_ABANDON },
    { GENERATION_LOADING, GENERATION_EMPTY, GENERATION_FAILED, GENERATION_DO_ABANDON },
    { GENERATION_WARMING, GENERATION_LOADED, GENERATION_WARMING, GENERATION_DO_NOTHING },
    { GENERATION_WARMING, GENERATION_WARM, GENERATION_READY, GENERATION_DO_FORK },
    { GENERATION_WARMING, GENERATION_WORKERS_IN, GENERATION_WARMING, GENERATION_DO_NOTHING },
    { GENERATION_WARMING, GENERATION_FAIL, GENERATION_FAILED, GENERATION_DO_ABANDON },
    { GENERATION_WARMING, GENERATION_DRAIN, GENERATION_FAILED, GENERATION_DO_ABANDON },
    { GENERATION_WARMING, GENERATION_EMPTY, GENERATION_FAILED, GENERATION_DO_ABANDON },
    { GENERATION_READY, GENERATION_LOADED, GENERATION_READY, GENERATION_DO_NOTHING },
    { GENERATION_READY, GENERATION_WARM, GENERATION_READY, GENERATION_DO_NOTHING },
    { GENERATION_READY, GENERATION_WORKERS_IN, GENERATION_SERVING, GENERATION_DO_PROMOTE },
    { GENERATION_READY, GENERATION_FAIL, GENERATION_FAILED, GENERATION_DO_ABANDON },
    { GENERATION_READY, GENERATION_DRAIN, GENERATION_FAILED, GENERATION_DO_ABANDON },
    { GENERATION_READY, GENERATION_EMPTY, GENERATION_FAILED, GENERATION_DO_ABANDON },
    { GENERATION_SERVING, GENERATION_LOADED, GENERATION_SERVING, GENERATION_DO_NOTHING },
    { GENERATION_SERVING, GENERATION_WARM, GENERATION_SERVING, GENERATION_DO_NOTHING },
    { GENERATION_SERVING, GENERATION_WORKERS_IN, GENERATION_SERVING, GENERATION_DO_NOTHING },
    { GENERATION_SERVING, GENERATION_FAIL, GENERATION_SERVING, GENERATION_DO_NOTHING },
    { GENERATION_SERVING, GENERATION_DRAIN, GENERATION_DRAINING, GENERATION_DO_DRAIN },
    { GENERATION_SERVING, GENERATION_EMPTY, GENERATION_SERVING, GENERATION_DO_NOTHING },
    { GENERATION_DRAINING, GENERATION_LOADED, GENERATION_DRAINING, GENERATION_DO_NOTHING },
    { GENERATION_DRAINING, GENERATION_WARM, GENERATION_DRAINING, GENERATION_DO_NOTHING },
    { GENERATION_DRAINING, GENERATION_WORKERS_IN, GENERATION_DRAINING, GENERATION_DO_NOTHING },
    { GENERATION_DRAINING, GENERATION_FAIL, GENERATION_DRAINING, GENERATION_DO_NOTHING },
    { GENERATION_DRAINING, GENERATION_DRAIN, GENERATION_DRAINING, GENERATION_DO_NOTHING },
    { GENERATION_DRAINING, GENERATION_EMPTY, GENERATION_GONE, GENERATION_DO_FREE },
    { GENERATION_GONE, GENERATION_LOADED, GENERATION_GONE, GENERATION_DO_NOTHING },
    { GENERATION_GONE, GENERATION_WARM, GENERATION_GONE, GENERATION_DO_NOTHING },
    { GENERATION_GONE, GENERATION_WORKERS_IN, GENERATION_GONE, GENERATION_DO_NOTHING },
    { GENERATION_GONE, GENERATION_FAIL, GENERATION_GONE, GENERATION_DO_NOTHING },
    { GENERATION_GONE, GENERATION_DRAIN, GENERATION_GONE, GENERATION_DO_NOTHING },
    { GENERATION_GONE, GENERATION_EMPTY, GENERATION_GONE, GENERATION_DO_NOTHING },
    { GENERATION_FAILED, GENERATION_LOADED, GENERATION_FAILED, GENERATION_DO_NOTHING },
    { GENERATION_FAILED, GENERATION_WARM, GENERATION_FAILED, GENERATION_DO_NOTHING },
    { GENERATION_FAILED, GENERATION_WORKERS_IN, GENERATION_FAILED, GENERATION_DO_NOTHING },
    { GENERATION_FAILED, GENERATION_FAIL, GENERATION_FAILED, GENERATION_DO_NOTHING },
    { GENERATION_FAILED, GENERATION_DRAIN, GENERATION_FAILED, GENERATION_DO_NOTHING },
    { GENERATION_FAILED, GENERATION_EMPTY, GENERATION_FAILED, GENERATION_DO_FREE },
};

static void test_every_cell_of_a_child(void **state)
{
    (void)state;
    bool seen[CHILD_STATES][CHILD_EVENTS] = { { false } };
    for (size_t i = 0; i < sizeof child_cases / sizeof *child_cases; i++) {
        const struct child_case *c = &child_cases[i];
        enum child_state now = c->state;
        assert_int_equal(child_step(&now, c->event), c->action);
        assert_int_equal(now, c->next);
        seen[c->state][c->event] = true;
    }
    for (unsigned s = 0; s < CHILD_STATES; s++)
        for (unsigned e = 0; e < CHILD_EVENTS; e++)
            assert_true(seen[s][e]);
}

static void test_every_cell_of_a_generation(void **state)
{
    (void)state;
    bool seen[GENERATION_STATES][GENERATION_EVENTS] = { { false } };
    for (size_t i = 0; i < sizeof generation_cases / sizeof *generation_cases; i++) {
        const struct generation_case *c = &generation_cases[i];
        enum generation_state now = c->state;
        assert_int_equal(generation_step(&now, c->event), c->action);
        assert_int_equal(now, c->next);
        seen[c->state][c->event] = true;
    }
    for (unsigned s = 0; s < GENERATION_STATES; s++)
        for (unsigned e = 0; e < GENERATION_EVENTS; e++)
            assert_true(seen[s][e]);
}

static void test_the_dead_stay_dead(void **state)
{
    (void)state;
    for (unsigned e = 0; e < CHILD_EVENTS; e++) {
        enum child_state now = CHILD_GONE;
        assert_int_equal(child_step(&now, (enum child_event)e), CHILD_DO_NOTHING);
        assert_int_equal(now, CHILD_GONE);
    }
}

static void test_a_serving_generation_is_never_abandoned(void **state)
{
    (void)state;
    for (unsigned e = 0; e < GENERATION_EVENTS; e++) {
        enum generation_state now = GENERATION_SERVING;
        enum generation_action action = generation_step(&now, (enum generation_event)e);
        assert_int_not_equal(action, GENERATION_DO_ABANDON);
        assert_int_not_equal(now, GENERATION_FAILED);
    }
}

static void test_the_way_of_a_generation(void **state)
{
    (void)state;
    static const struct {
        enum generation_event event;
        enum generation_action action;
    } way[] = {
        { GENERATION_LOADED, GENERATION_DO_WARM },        { GENERATION_WARM, GENERATION_DO_FORK },
        { GENERATION_WORKERS_IN, GENERATION_DO_PROMOTE }, { GENERATION_DRAIN, GENERATION_DO_DRAIN },
        { GENERATION_EMPTY, GENERATION_DO_FREE },
    };
    enum generation_state now = GENERATION_LOADING;
    for (size_t i = 0; i < sizeof way / sizeof *way; i++) {
        assert_int_equal(generation_is_coming(now), i < 3);
        assert_int_equal(generation_step(&now, way[i].event), way[i].action);
    }
    assert_int_equal(now, GENERATION_GONE);
    assert_false(generation_is_coming(GENERATION_GONE));
    assert_false(generation_is_coming(GENERATION_FAILED));
}

static void test_every_state_has_a_name(void **state)
{
    (void)state;
    for (unsigned s = 0; s < CHILD_STATES; s++)
        assert_non_null(child_state_name((enum child_state)s));
    for (unsigned s = 0; s < GENERATION_STATES; s++)
        assert_non_null(generation_state_name((enum generation_state)s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cell_of_a_child),   cmocka_unit_test(test_every_cell_of_a_generation),
        cmocka_unit_test(test_the_dead_stay_dead),      cmocka_unit_test(test_a_serving_generation_is_never_abandoned),
        cmocka_unit_test(test_the_way_of_a_generation), cmocka_unit_test(test_every_state_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
