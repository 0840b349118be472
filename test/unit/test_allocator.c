#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "allocator.h"

#define BLOCKS 2000
#define BLOCK_SIZE 3000

static void notices_which_malloc_there_is(void **state)
{
    (void)state;
    struct strbuf error = { 0 };
    assert_true(allocator_settle(ALLOCATOR_GLIBC, &error));
    assert_int_equal(error.length, 0);
    assert_false(allocator_settle(ALLOCATOR_JEMALLOC, &error));
    assert_non_null(strstr(error.data, "malloc is not jemalloc's, but "));
    strbuf_free(&error);
    assert_false(allocator_settle(ALLOCATOR_MIMALLOC, &error));
    assert_non_null(strstr(error.data, "malloc is not mimalloc's, but "));
    strbuf_free(&error);
}

static void counts_what_lives_and_what_is_free(void **state)
{
    (void)state;
    static void *blocks[BLOCKS];
    struct allocator_usage before, full, after;
    if (!allocator_usage(&before)) {
        assert_int_equal(before.used, 0);
        skip(); /* a sanitizer's malloc */
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BLOCK_SIZE);
        memset(blocks[i], 1, BLOCK_SIZE);
    }
    assert_true(allocator_usage(&full));
    assert_in_range(full.used - before.used, BLOCKS * BLOCK_SIZE, BLOCKS * BLOCK_SIZE * 5 / 4);
    for (size_t i = 0; i < BLOCKS; i += 2)
        free(blocks[i]);
    allocator_trim();
    assert_true(allocator_usage(&after));
    assert_in_range(full.used - after.used, BLOCKS / 2 * BLOCK_SIZE * 9 / 10, BLOCKS / 2 * BLOCK_SIZE * 5 / 4);
    assert_true(after.free >= BLOCKS / 2 * BLOCK_SIZE * 9 / 10);
    for (size_t i = 1; i < BLOCKS; i += 2)
        free(blocks[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notices_which_malloc_there_is),
        cmocka_unit_test(counts_what_lives_and_what_is_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
