/* The rules of recycling: a reason for each fact, who goes first, and how many at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <cmocka.h>

#include "recycle.h"

#define MIB (UINT64_C(1) << 20)
#define SECOND INT64_C(1000000000)

static const struct recycle_limits no_limits, all_limits = { 500, 3600 * SECOND, 32 * MIB };

/* One worker that serves, with all rules on and none reached. */
static struct recycle_worker fresh(uint64_t private_bytes)
{
    return (struct recycle_worker){
        .present = true, .serving = true, .private_bytes = private_bytes, .limits = all_limits
    };
}

static struct recycle_worker almost_done(uint64_t private_bytes)
{
    struct recycle_worker worker = fresh(private_bytes);
    worker.almost_done = true;
    return worker;
}

static struct recycle_worker old(uint64_t private_bytes)
{
    struct recycle_worker worker = fresh(private_bytes);
    worker.age_ns = all_limits.age_ns;
    return worker;
}

static struct recycle_worker grown(uint64_t private_bytes)
{
    struct recycle_worker worker = fresh(private_bytes);
    worker.grown = all_limits.private_memory;
    return worker;
}

static struct recycle_worker replaced(struct recycle_worker worker, enum recycle_reason reason)
{
    worker.replaced = reason;
    return worker;
}

static struct recycle_worker draining(struct recycle_worker worker)
{
    worker.serving = false;
    return worker;
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(recycle_reason_name(RECYCLE_NONE), "none");
    assert_string_equal(recycle_reason_name(RECYCLE_REQUESTS), "requests");
    assert_string_equal(recycle_reason_name(RECYCLE_AGE), "age");
    assert_string_equal(recycle_reason_name(RECYCLE_PRIVATE_MEMORY), "private memory");
}

/* Every combination of the three facts, with the rules on and off, serving and not. */
static void test_every_reason(void **state)
{
    (void)state;
    for (unsigned facts = 0; facts < 8; facts++) {
        struct recycle_worker worker = fresh(0);
        worker.almost_done = facts & 1;
        worker.age_ns = all_limits.age_ns - !(facts & 2);
        worker.grown = all_limits.private_memory - !(facts & 4);
        enum recycle_reason expected = facts & 4   ? RECYCLE_PRIVATE_MEMORY
                                       : facts & 2 ? RECYCLE_AGE
                                       : facts & 1 ? RECYCLE_REQUESTS
                                                   : RECYCLE_NONE;
        assert_int_equal(recycle_reason_of(&worker), expected);
        worker.serving = false;
        assert_int_equal(recycle_reason_of(&worker), RECYCLE_NONE);
        worker.serving = true;
        worker.present = false;
        assert_int_equal(recycle_reason_of(&worker), RECYCLE_NONE);
        worker.present = true;
        worker.limits = no_limits;
        assert_int_equal(recycle_reason_of(&worker), RECYCLE_NONE);
    }
}

static void test_each_rule_alone(void **state)
{
    (void)state;
    struct recycle_worker worker = grown(0);
    worker.almost_done = true;
    worker.age_ns = INT64_MAX;
    worker.limits = (struct recycle_limits){ .requests = 1 };
    assert_int_equal(recycle_reason_of(&worker), RECYCLE_REQUESTS);
    worker.limits = (struct recycle_limits){ .age_ns = 1 };
    assert_int_equal(recycle_reason_of(&worker), RECYCLE_AGE);
    worker.limits = (struct recycle_limits){ .private_memory = 1 };
    assert_int_equal(recycle_reason_of(&worker), RECYCLE_PRIVATE_MEMORY);
}

struct decision {
    struct recycle_worker workers[4]; /* absent ones at the end */
    unsigned max_unavailable;
    size_t worker; /* RECYCLE_NOBODY: none is replaced */
    enum recycle_reason reason;
    size_t gives_way;
};

static void test_every_decision(void **state)
{
    (void)state;
    const size_t nobody = RECYCLE_NOBODY;
    const struct decision decisions[] = {
        /* nothing to do */
        { { { .present = false } }, 1, nobody, RECYCLE_NONE, nobody },
        { { fresh(1), fresh(2) }, 1, nobody, RECYCLE_NONE, nobody },
        /* one reason */
        { { fresh(9), almost_done(1) }, 1, 1, RECYCLE_REQUESTS, nobody },
        { { fresh(9), old(1) }, 1, 1, RECYCLE_AGE, nobody },
        { { fresh(9), grown(1) }, 1, 1, RECYCLE_PRIVATE_MEMORY, nobody },
        /* most private first, whatever the reason; the first of equals */
        { { old(1), grown(2), almost_done(3), fresh(9) }, 1, 2, RECYCLE_REQUESTS, nobody },
        { { old(5), old(7), old(6) }, 1, 1, RECYCLE_AGE, nobody },
        { { old(5), old(5) }, 1, 0, RECYCLE_AGE, nobody },
        /* who drains or starts is not chosen */
        { { draining(old(1)), draining(grown(1)) }, 1, nobody, RECYCLE_NONE, nobody },
        /* as many as may be, whether they still serve or drain */
        { { replaced(old(1), RECYCLE_AGE), old(2) }, 1, nobody, RECYCLE_NONE, nobody },
        { { draining(replaced(old(1), RECYCLE_AGE)), old(2) }, 1, nobody, RECYCLE_NONE, nobody },
        { { draining(replaced(fresh(1), RECYCLE_REQUESTS)), old(2) }, 1, nobody, RECYCLE_NONE, nobody },
        { { replaced(old(1), RECYCLE_AGE), old(2) }, 2, 1, RECYCLE_AGE, nobody },
        { { replaced(old(1), RECYCLE_AGE), replaced(old(1), RECYCLE_AGE), old(2) }, 2, nobody, RECYCLE_NONE, nobody },
        /* the one that is being replaced is not chosen again */
        { { replaced(old(1), RECYCLE_AGE) }, 4, nobody, RECYCLE_NONE, nobody },
        /* who waits for its last request gives way, but not to its like */
        { { replaced(almost_done(9), RECYCLE_REQUESTS), almost_done(2) }, 1, nobody, RECYCLE_NONE, nobody },
        { { replaced(almost_done(9), RECYCLE_REQUESTS), old(2) }, 1, 1, RECYCLE_AGE, 0 },
        { { replaced(almost_done(9), RECYCLE_REQUESTS), grown(2) }, 2, 1, RECYCLE_PRIVATE_MEMORY, nobody },
        /* its reason changes when it has to go sooner */
        { { replaced(old(1), RECYCLE_REQUESTS) }, 1, 0, RECYCLE_AGE, nobody },
        { { replaced(grown(1), RECYCLE_REQUESTS), fresh(1) }, 1, 0, RECYCLE_PRIVATE_MEMORY, nobody },
        { { replaced(old(1), RECYCLE_REQUESTS), grown(5) }, 1, 1, RECYCLE_PRIVATE_MEMORY, 0 },
    };
    for (size_t i = 0; i < sizeof decisions / sizeof *decisions; i++) {
        const struct decision *d = &decisions[i];
        struct recycle_choice choice;
        if (recycle_decide(d->workers, 4, d->max_unavailable, &choice) != (d->worker != nobody) ||
            choice.worker != d->worker || choice.reason != d->reason || choice.gives_way != d->gives_way)
            fail_msg("decision %zu: worker %zd for %s, %zd gives way", i, (ssize_t)choice.worker,
                     recycle_reason_name(choice.reason), (ssize_t)choice.gives_way);
    }
}

/* The caller decides until there is nothing more to do. */
static void test_deciding_ends(void **state)
{
    (void)state;
    for (unsigned max_unavailable = 1; max_unavailable <= 6; max_unavailable++) {
        struct recycle_worker workers[] = {
            replaced(almost_done(8), RECYCLE_REQUESTS), almost_done(7), old(1), grown(2), old(3), fresh(9)
        };
        struct recycle_choice choice;
        unsigned rounds = 0, in_replacement = 0;
        while (recycle_decide(workers, 6, max_unavailable, &choice)) {
            assert_true(++rounds < 20);
            if (choice.gives_way != RECYCLE_NOBODY)
                workers[choice.gives_way].replaced = RECYCLE_NONE;
            workers[choice.worker].replaced = choice.reason;
        }
        for (size_t i = 0; i < 6; i++)
            in_replacement += workers[i].replaced != RECYCLE_NONE;
        assert_int_equal(in_replacement, max_unavailable < 5 ? max_unavailable : 5);
        assert_int_equal(workers[5].replaced, RECYCLE_NONE);
    }
}

static void test_no_jitter(void **state)
{
    (void)state;
    struct recycle_limits limits = recycle_draw(&all_limits, 0, 42);
    assert_memory_equal(&limits, &all_limits, sizeof limits);
    limits = recycle_draw(&no_limits, 50, 42);
    assert_memory_equal(&limits, &no_limits, sizeof limits);
}

static void test_jitter_spreads(void **state)
{
    (void)state;
    uint64_t least = UINT64_MAX, most = 0, sum = 0;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct recycle_limits limits = recycle_draw(&all_limits, 10, seed), again = recycle_draw(&all_limits, 10, seed);
        assert_memory_equal(&limits, &again, sizeof limits);
        assert_in_range(limits.requests, 450, 550);
        assert_in_range(limits.age_ns, 3240 * SECOND, 3960 * SECOND);
        assert_in_range(limits.private_memory, 288 * MIB / 10, 352 * MIB / 10 + 1);
        least = limits.requests < least ? limits.requests : least;
        most = limits.requests > most ? limits.requests : most;
        sum += limits.requests;
    }
    assert_in_range(least, 450, 455);
    assert_in_range(most, 545, 550);
    assert_in_range(sum / 1000, 495, 505);
}

static void test_a_rule_stays_on(void **state)
{
    (void)state;
    const struct recycle_limits smallest = { 1, 1, 1 };
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct recycle_limits limits = recycle_draw(&smallest, 100, seed);
        assert_in_range(limits.requests, 1, 2);
        assert_in_range(limits.age_ns, 1, 2);
        assert_in_range(limits.private_memory, 1, 2);
        /* ten percent of one is no whole request */
        assert_int_equal(recycle_draw(&smallest, 10, seed).requests, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),           cmocka_unit_test(test_every_reason),
        cmocka_unit_test(test_each_rule_alone), cmocka_unit_test(test_every_decision),
        cmocka_unit_test(test_deciding_ends),   cmocka_unit_test(test_no_jitter),
        cmocka_unit_test(test_jitter_spreads),  cmocka_unit_test(test_a_rule_stays_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
