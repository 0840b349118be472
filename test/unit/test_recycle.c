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

static const struct recycle_limits no_limits, all_limits = { 500, 3600 * SECOND, 32 * MIB, 20000 };

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

static struct recycle_worker wordy(uint64_t private_bytes)
{
    struct recycle_worker worker = fresh(private_bytes);
    worker.symbols = all_limits.symbols;
    return worker;
}

static struct recycle_worker over_budget(uint64_t private_bytes)
{
    struct recycle_worker worker = fresh(private_bytes);
    worker.over_budget = true;
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
    assert_string_equal(recycle_reason_name(RECYCLE_SYMBOLS), "symbols");
    assert_string_equal(recycle_reason_name(RECYCLE_MEMORY_BUDGET), "memory budget");
    assert_string_equal(recycle_reason_name(RECYCLE_MEMORY_LIMIT), "memory limit");
}

/* Every combination of the six facts, with the rules on and off, serving and not. */
static void test_every_reason(void **state)
{
    (void)state;
    for (unsigned facts = 0; facts < 64; facts++) {
        struct recycle_worker worker = fresh(0);
        worker.almost_done = facts & 1;
        worker.age_ns = all_limits.age_ns - !(facts & 2);
        worker.grown = all_limits.private_memory - !(facts & 4);
        worker.symbols = all_limits.symbols - !(facts & 8);
        worker.over_budget = facts & 16;
        worker.out_of_memory = facts & 32;
        enum recycle_reason expected = facts & 32   ? RECYCLE_MEMORY_LIMIT
                                       : facts & 4  ? RECYCLE_PRIVATE_MEMORY
                                       : facts & 16 ? RECYCLE_MEMORY_BUDGET
                                       : facts & 8  ? RECYCLE_SYMBOLS
                                       : facts & 2  ? RECYCLE_AGE
                                       : facts & 1  ? RECYCLE_REQUESTS
                                                    : RECYCLE_NONE;
        assert_int_equal(recycle_reason_of(&worker), expected);
        worker.serving = false;
        assert_int_equal(recycle_reason_of(&worker), RECYCLE_NONE);
        worker.serving = true;
        worker.present = false;
        assert_int_equal(recycle_reason_of(&worker), RECYCLE_NONE);
        worker.present = true;
        worker.limits = no_limits;
        assert_int_equal(recycle_reason_of(&worker), facts & 32   ? RECYCLE_MEMORY_LIMIT
                                                     : facts & 16 ? RECYCLE_MEMORY_BUDGET
                                                                  : RECYCLE_NONE);
    }
}

static void test_each_rule_alone(void **state)
{
    (void)state;
    struct recycle_worker worker = grown(0);
    worker.almost_done = true;
    worker.age_ns = INT64_MAX;
    worker.symbols = UINT64_MAX;
    worker.limits = (struct recycle_limits){ .requests = 1 };
    assert_int_equal(recycle_reason_of(&worker), RECYCLE_REQUESTS);
    worker.limits = (struct recycle_limits){ .age_ns = 1 };
    assert_int_equal(recycle_reason_of(&worker), RECYCLE_AGE);
    worker.limits = (struct recycle_limits){ .private_memory = 1 };
    assert_int_equal(recycle_reason_of(&worker), RECYCLE_PRIVATE_MEMORY);
    worker.limits = (struct recycle_limits){ .symbols = 1 };
    assert_int_equal(recycle_reason_of(&worker), RECYCLE_SYMBOLS);
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
        { { fresh(9), wordy(1) }, 1, 1, RECYCLE_SYMBOLS, nobody },
        { { fresh(9), over_budget(1) }, 1, 1, RECYCLE_MEMORY_BUDGET, nobody },
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
        { { replaced(almost_done(9), RECYCLE_REQUESTS), over_budget(2) }, 1, 1, RECYCLE_MEMORY_BUDGET, 0 },
        { { replaced(old(9), RECYCLE_AGE), over_budget(2), wordy(3) }, 1, nobody, RECYCLE_NONE, nobody },
        /* its reason changes when it has to go sooner */
        { { replaced(old(1), RECYCLE_REQUESTS) }, 1, 0, RECYCLE_AGE, nobody },
        { { replaced(grown(1), RECYCLE_REQUESTS), fresh(1) }, 1, 0, RECYCLE_PRIVATE_MEMORY, nobody },
        { { replaced(wordy(1), RECYCLE_REQUESTS), fresh(1) }, 1, 0, RECYCLE_SYMBOLS, nobody },
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
        assert_in_range(limits.symbols, 18000, 22000);
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
    const struct recycle_limits smallest = { 1, 1, 1, 1 };
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct recycle_limits limits = recycle_draw(&smallest, 100, seed);
        assert_in_range(limits.requests, 1, 2);
        assert_in_range(limits.age_ns, 1, 2);
        assert_in_range(limits.private_memory, 1, 2);
        assert_in_range(limits.symbols, 1, 2);
        /* ten percent of one is no whole request */
        assert_int_equal(recycle_draw(&smallest, 10, seed).requests, 1);
    }
}

/* One worker with 10 MiB right after its fork and this much more by now, old enough to go. */
static struct recycle_worker heavy(uint64_t more)
{
    struct recycle_worker worker = fresh(10 * MIB + more);
    worker.grown = more;
    worker.age_ns = RECYCLE_PATIENCE_NS;
    worker.limits = no_limits;
    return worker;
}

static struct recycle_worker young(uint64_t more)
{
    struct recycle_worker worker = heavy(more);
    worker.age_ns = RECYCLE_PATIENCE_NS - 1;
    return worker;
}

struct weighing {
    struct recycle_worker workers[4];
    uint64_t budget; /* MiB; 100 are loaded */
    enum recycle_verdict verdict;
    size_t worker;
    uint64_t total, minimum; /* MiB */
};

static void test_every_weighing(void **state)
{
    (void)state;
    const size_t nobody = RECYCLE_NOBODY;
    const struct weighing weighings[] = {
        /* no budget, nobody there */
        { { heavy(500 * MIB) }, 0, RECYCLE_FITS, nobody, 610, 110 },
        { { { .present = false } }, 100, RECYCLE_FITS, nobody, 100, 100 },
        { { { .present = false } }, 99, RECYCLE_FUTILE, nobody, 100, 100 },
        /* the budget itself is not too much */
        { { heavy(30 * MIB), heavy(20 * MIB) }, 170, RECYCLE_FITS, nobody, 170, 120 },
        { { heavy(30 * MIB), heavy(20 * MIB) }, 169, RECYCLE_OVER, 0, 170, 120 },
        /* the most private of those that can go */
        { { heavy(20 * MIB), heavy(40 * MIB), heavy(30 * MIB) }, 150, RECYCLE_OVER, 1, 220, 130 },
        { { heavy(20 * MIB), young(40 * MIB), heavy(30 * MIB) }, 150, RECYCLE_OVER, 2, 220, 130 },
        { { heavy(20 * MIB), draining(heavy(40 * MIB)), heavy(30 * MIB) }, 150, RECYCLE_OVER, 2, 220, 130 },
        { { heavy(20 * MIB), heavy(20 * MIB) }, 150, RECYCLE_OVER, 0, 160, 120 },
        /* one that has most, but has not grown, stays */
        { { fresh(50 * MIB), heavy(20 * MIB) }, 175, RECYCLE_OVER, 1, 180, 160 },
        /* those that are being replaced count as what comes in their place */
        { { replaced(heavy(40 * MIB), RECYCLE_AGE), heavy(20 * MIB) }, 140, RECYCLE_FITS, nobody, 140, 120 },
        { { replaced(heavy(40 * MIB), RECYCLE_AGE), heavy(20 * MIB) }, 139, RECYCLE_OVER, 1, 140, 120 },
        { { replaced(heavy(40 * MIB), RECYCLE_AGE), heavy(0) }, 110, RECYCLE_OVER, nobody, 120, 120 },
        /* too young */
        { { young(30 * MIB), young(20 * MIB) }, 160, RECYCLE_WAITS, nobody, 170, 120 },
        /* even new ones would not fit */
        { { heavy(30 * MIB), heavy(20 * MIB) }, 119, RECYCLE_FUTILE, nobody, 170, 120 },
        { { heavy(30 * MIB), heavy(20 * MIB) }, 120, RECYCLE_OVER, 0, 170, 120 },
        { { young(30 * MIB), heavy(20 * MIB) }, 119, RECYCLE_FUTILE, nobody, 170, 120 },
        /* it is not the workers' growth */
        { { heavy(RECYCLE_WORTH - 1), fresh(10 * MIB) }, 120, RECYCLE_FUTILE, nobody, 120, 120 },
        { { heavy(RECYCLE_WORTH), fresh(10 * MIB) }, 120, RECYCLE_OVER, 0, 120, 120 },
    };
    for (size_t i = 0; i < sizeof weighings / sizeof *weighings; i++) {
        struct weighing w = weighings[i];
        struct recycle_budget budget = { w.budget * MIB, 100 * MIB, RECYCLE_PATIENCE_NS };
        struct recycle_scale scale;
        for (size_t j = 0; j < 4; j++)
            w.workers[j].over_budget = true;
        enum recycle_verdict verdict = recycle_weigh(w.workers, 4, &budget, &scale);
        if (verdict != w.verdict || scale.worker != w.worker || scale.total / MIB != w.total ||
            scale.minimum / MIB != w.minimum)
            fail_msg("weighing %zu: verdict %d, worker %zd, %llu of at least %llu MiB", i, (int)verdict,
                     (ssize_t)scale.worker, (unsigned long long)(scale.total / MIB),
                     (unsigned long long)(scale.minimum / MIB));
        for (size_t j = 0; j < 4; j++)
            assert_int_equal(w.workers[j].over_budget, j == w.worker);
    }
}

/* As many as necessary, the largest first, and no more at a time than may be missing. */
static void test_a_budget_takes_the_largest_one_after_the_other(void **state)
{
    (void)state;
    struct recycle_worker workers[] = { heavy(20 * MIB), heavy(50 * MIB), heavy(10 * MIB), heavy(40 * MIB) };
    struct recycle_budget budget = { 180 * MIB, 100 * MIB, RECYCLE_PATIENCE_NS };
    struct recycle_scale scale;
    struct recycle_choice choice;
    size_t order[4], chosen = 0;

    assert_int_equal(recycle_weigh(workers, 4, &budget, &scale), RECYCLE_OVER);
    while (recycle_decide(workers, 4, 4, &choice)) {
        assert_in_range(chosen, 0, 3);
        assert_int_equal(choice.reason, RECYCLE_MEMORY_BUDGET);
        order[chosen++] = choice.worker;
        workers[choice.worker].replaced = choice.reason;
        recycle_weigh(workers, 4, &budget, &scale);
    }
    assert_int_equal(chosen, 2);
    assert_int_equal(order[0], 1);
    assert_int_equal(order[1], 3);
    assert_int_equal(scale.total, 170 * MIB);
}

/* A day with a pool whose workers have grown back beyond the budget as soon as they have served a request. */
static void test_a_budget_that_is_too_small_does_not_churn(void **state)
{
    (void)state;
    struct recycle_budget budget = { 150 * MIB, 100 * MIB, RECYCLE_PATIENCE_NS };
    struct recycle_worker workers[] = { heavy(20 * MIB), heavy(20 * MIB) };
    struct recycle_scale scale;
    unsigned replaced_by_now = 0;

    for (int second = 0; second < 86400; second++) {
        if (recycle_weigh(workers, 2, &budget, &scale) == RECYCLE_OVER) {
            recycle_charge(&budget, workers[scale.worker].age_ns);
            workers[scale.worker] = young(20 * MIB);
            workers[scale.worker].age_ns = 0;
            replaced_by_now++;
        }
        for (size_t i = 0; i < 2; i++)
            workers[i].age_ns += SECOND;
    }
    assert_in_range(replaced_by_now, 10, 80);
    assert_int_equal(budget.patience_ns, RECYCLE_PATIENCE_MAX_NS);
}

static void test_patience(void **state)
{
    (void)state;
    const int64_t base = RECYCLE_PATIENCE_NS, most = RECYCLE_PATIENCE_MAX_NS;
    const struct {
        int64_t before, age, after;
    } cells[] = {
        { base, base, 2 * base },         { base, 4 * base - 4, 2 * base },
        { base, 4 * base, base },         { 2 * base, 2 * base, 4 * base },
        { 2 * base, 8 * base, 2 * base }, { 2 * base, 32 * base - 16, 2 * base },
        { 2 * base, 32 * base, base },    { most, most, most },
        { most, 16 * most, base },        { most / 2 + 1, most / 2 + 1, most },
    };
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        struct recycle_budget budget = { .bytes = MIB, .patience_ns = cells[i].before };
        recycle_charge(&budget, cells[i].age);
        if (budget.patience_ns != cells[i].after)
            fail_msg("cell %zu: %lld", i, (long long)budget.patience_ns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_every_reason),
        cmocka_unit_test(test_each_rule_alone),
        cmocka_unit_test(test_every_decision),
        cmocka_unit_test(test_deciding_ends),
        cmocka_unit_test(test_no_jitter),
        cmocka_unit_test(test_jitter_spreads),
        cmocka_unit_test(test_a_rule_stays_on),
        cmocka_unit_test(test_every_weighing),
        cmocka_unit_test(test_a_budget_takes_the_largest_one_after_the_other),
        cmocka_unit_test(test_a_budget_that_is_too_small_does_not_churn),
        cmocka_unit_test(test_patience),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
