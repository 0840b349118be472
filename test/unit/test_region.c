#include "region.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "in_child.h"

#define CAPACITY ((size_t)8 << 20)

typedef void test_body(void);

static void open_and_run(const void *data)
{
    test_body *const *body = data;
    EXPECT(region_open(CAPACITY) == 0);
    (*body)();
}

/* One region per process, and a frozen one stays: each test has a process of its own. */
static void with_region(test_body *body)
{
    assert_true(in_child(open_and_run, &body));
}

static void allocate_all_sizes(void)
{
    unsigned char *blocks[1200];
    for (size_t i = 0; i < 1200; i++) {
        size_t size = i < 700 ? i : i * 7;
        blocks[i] = region_allocate(size);
        EXPECT(blocks[i] != NULL && (uintptr_t)blocks[i] % 8 == 0);
        EXPECT(region_contains(blocks[i]) && region_block_size(blocks[i]) >= size);
        memset(blocks[i], (int)(i % 251), size);
    }
    for (size_t i = 0; i < 1200; i++)
        for (size_t j = 0; j < (i < 700 ? i : i * 7); j++)
            EXPECT(blocks[i][j] == i % 251);
    EXPECT(region_bounds.used <= region_bounds.end);
}

static void test_blocks_are_aligned_and_apart(void **state)
{
    (void)state;
    with_region(allocate_all_sizes);
}

static void free_and_allocate(void)
{
    static const size_t sizes[] = { 1, 8, 9, 512, 513, 640, 641, 4096, 100000, 1000000 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *first = region_allocate(sizes[i]);
        char *second = region_allocate(sizes[i]);
        EXPECT(first != NULL && second != NULL);
        region_free(first);
        region_free(second);
        uintptr_t used = region_bounds.used;
        /* A freed block serves the next request of its class, also for the full size of the block. */
        EXPECT(region_allocate(region_block_size(second)) == second);
        EXPECT(region_allocate(sizes[i]) == first);
        EXPECT(region_bounds.used == used);
    }
}

static void test_freed_blocks_are_used_again(void **state)
{
    (void)state;
    with_region(free_and_allocate);
}

static size_t free_blocks, free_bytes;

static void count_free(void *address, size_t size, void *data)
{
    EXPECT(region_contains(address) && size == region_block_size(address));
    EXPECT(data == &free_bytes);
    free_blocks++;
    free_bytes += size;
}

static void see_free_blocks(void)
{
    void *blocks[20];
    size_t expected = 0;
    region_each_free(count_free, &free_bytes);
    EXPECT(free_blocks == 0);
    for (size_t i = 0; i < 20; i++)
        blocks[i] = region_allocate(3000 * i);
    for (size_t i = 0; i < 20; i += 2) {
        expected += region_block_size(blocks[i]);
        region_free(blocks[i]);
    }
    region_each_free(count_free, &free_bytes);
    EXPECT(free_blocks == 10 && free_bytes == expected);
    EXPECT(region_freeze() == 0);
    free_blocks = free_bytes = 0;
    region_each_free(count_free, &free_bytes);
    EXPECT(free_blocks == 10 && free_bytes == expected);
}

static void test_free_blocks_are_seen(void **state)
{
    (void)state;
    with_region(see_free_blocks);
}

static void grow_blocks(void)
{
    char *block = region_allocate(10);
    memcpy(block, "contents.", 10);
    /* The last block grows in place. */
    char *grown = region_reallocate(block, 5000);
    EXPECT(grown == block && region_block_size(grown) >= 5000 && strcmp(grown, "contents.") == 0);
    memset(grown + 10, 'x', 4990);
    char *next = region_allocate(16);
    EXPECT(next >= grown + 5000);
    char *moved = region_reallocate(grown, 60000);
    EXPECT(moved != grown && memcmp(moved, "contents.\0xx", 12) == 0);
    EXPECT(moved[4999] == 'x');
    /* Shrinking stays, and so does growing back. */
    EXPECT(region_reallocate(moved, 3) == moved && region_reallocate(moved, 60000) == moved);
    EXPECT(region_allocate(5000) == grown);
}

static void test_reallocation(void **state)
{
    (void)state;
    with_region(grow_blocks);
}

static void fill(void)
{
    size_t blocks = 0;
    char *last = NULL, *block;
    while ((block = region_allocate(100000)) != NULL) {
        memset(block, 1, 100000);
        last = block;
        blocks++;
    }
    EXPECT(errno == ENOMEM && blocks > CAPACITY / 131072 - 1 && last != NULL);
    EXPECT(region_bounds.used <= region_bounds.end);
    EXPECT(region_reallocate(last, CAPACITY) == NULL && last[99999] == 1);
    static const size_t huge[] = { CAPACITY + 1,    (size_t)1 << 45,       ((size_t)1 << 45) + 1, (size_t)1 << 46,
                                   (size_t)1 << 62, ((size_t)1 << 63) + 1, SIZE_MAX - 8,          SIZE_MAX };
    for (size_t i = 0; i < sizeof huge / sizeof *huge; i++) {
        EXPECT(region_allocate(huge[i]) == NULL);
        EXPECT(region_reallocate(last, huge[i]) == NULL);
    }
    /* What is freed can be had again. */
    region_free(last);
    EXPECT(region_allocate(100000) == last);
    region_reset();
    EXPECT(region_bounds.used == region_bounds.start);
    block = region_allocate(100000);
    EXPECT(block != NULL && block[0] == 0 && block[99999] == 0);
}

static void test_full_region(void **state)
{
    (void)state;
    with_region(fill);
}

static int child_status(void (*body)(char *block), char *block)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        body(block);
        _exit(0);
    }
    EXPECT(pid > 0 && waitpid(pid, &status, 0) == pid);
    return status;
}

static void overwrite(char *block)
{
    EXPECT(strcmp(block, "the mold's") == 0);
    strcpy(block, "a child's");
    char *fresh = region_allocate(64);
    strcpy(fresh, "a child's");
    EXPECT(strcmp(block, "a child's") == 0);
}

static void fork_while_loading(void)
{
    char *block = region_allocate(64);
    strcpy(block, "the mold's");
    EXPECT(child_status(overwrite, block) == 0);
    EXPECT(strcmp(block, "the mold's") == 0);
    char *next = region_allocate(64);
    EXPECT(next[0] == '\0');
    strcpy(next, "the mold's");
    EXPECT(region_freeze() == 0);
    EXPECT(strcmp(block, "the mold's") == 0 && strcmp(next, "the mold's") == 0);
}

static void test_fork_while_loading(void **state)
{
    (void)state;
    with_region(fork_while_loading);
}

static void write_only(char *block)
{
    strcpy(block, "a worker's");
    EXPECT(strcmp(block, "a worker's") == 0);
}

static void freeze(void)
{
    char *block = region_allocate(20000);
    strcpy(block, "the mold's");
    size_t size = region_block_size(block);
    EXPECT(!region_is_frozen());
    EXPECT(region_freeze() == 0 && region_is_frozen());
    EXPECT(strcmp(block, "the mold's") == 0 && region_block_size(block) == size && region_contains(block));
    EXPECT(region_bounds.end - region_bounds.used < (size_t)sysconf(_SC_PAGESIZE));
    EXPECT(!region_contains((void *)region_bounds.end) && !region_contains((void *)(region_bounds.start - 1)));
    /* What lay behind is given back. */
    EXPECT(msync((void *)region_bounds.end, 4096, MS_ASYNC) == -1 && errno == ENOMEM);
    EXPECT(child_status(write_only, block) == 0);
    EXPECT(strcmp(block, "the mold's") == 0);
    char *copy = malloc(size);
    region_copy_block(copy, block);
    EXPECT(memcmp(copy, block, size) == 0);
    free(copy);
}

static void test_freeze(void **state)
{
    (void)state;
    with_region(freeze);
}

/* Pages of [address, address + size) that take memory. */
static size_t resident(const void *address, size_t size)
{
    unsigned char pages[1024];
    size_t count = 0;
    uintptr_t start = (uintptr_t)address / 4096 * 4096;
    size_t length = (uintptr_t)address + size - start;

    EXPECT(length <= sizeof pages * 4096 && mincore((void *)start, length, pages) == 0);
    for (size_t i = 0; i < (length + 4095) / 4096; i++)
        count += pages[i] & 1;
    return count;
}

static void freeze_gives_back_free_blocks(void)
{
    const size_t size = 1 << 20;
    char *before = region_allocate(1000), *block = region_allocate(size), *after = region_allocate(1000);

    memset(before, 'b', 1000);
    memset(block, 'x', size);
    memset(after, 'a', 1000);
    EXPECT(resident(block, size) >= size / 4096);
    region_free(block);
    EXPECT(region_freeze() == 0);
    EXPECT(resident(block, size) <= 3); /* where it begins and ends */
    EXPECT(before[0] == 'b' && before[999] == 'b' && after[0] == 'a' && after[999] == 'a');
}

static void test_freeze_gives_back_free_blocks(void **state)
{
    (void)state;
    with_region(freeze_gives_back_free_blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_are_aligned_and_apart),
        cmocka_unit_test(test_freed_blocks_are_used_again),
        cmocka_unit_test(test_free_blocks_are_seen),
        cmocka_unit_test(test_reallocation),
        cmocka_unit_test(test_full_region),
        cmocka_unit_test(test_fork_while_loading),
        cmocka_unit_test(test_freeze),
        cmocka_unit_test(test_freeze_gives_back_free_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
