#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "heap_map.h"

static void text_of_a_map(void **state)
{
    struct heap_map map = { 0 };
    struct strbuf text = { 0 };

    (void)state;
    assert_true(heap_map_add(&map, HEAP_AREA_YOUNG, 0x1000, 3));
    memcpy(map.areas[0].kinds, (unsigned char[]){ HEAP_PAGE_YOUNG, HEAP_PAGE_FREE, HEAP_PAGE_FREE }, 3);
    assert_true(heap_map_add(&map, HEAP_AREA_REGION, 0x7f0000000000, 200));
    map.areas[1].kinds[7] = HEAP_PAGE_BROKEN;
    heap_map_print(&map, &text);
    assert_string_equal(text.data, "young 1000 3 yf2\nregion 7f0000000000 200 s7bs192\nleft_out 0\n");
    assert_int_equal(heap_map_count(&map, HEAP_AREA_REGION, HEAP_PAGE_SHARED), 199);
    assert_int_equal(heap_map_count(&map, HEAP_AREA_YOUNG, HEAP_PAGE_SHARED), 0);
    assert_int_equal(heap_map_count(&map, HEAP_AREA_YOUNG, HEAP_PAGE_FREE), 2);
    strbuf_free(&text);
    heap_map_free(&map);
    heap_map_print(&map, &text);
    assert_string_equal(text.data, "left_out 0\n");
    strbuf_free(&text);
}

static void what_is_printed_parses_to_the_same(void **state)
{
    (void)state;
    srand(1);
    for (int round = 0; round < 200; round++) {
        struct heap_map map = { .left_out = (size_t)(rand() % 3) }, again;
        struct strbuf text = { 0 };

        for (int area = rand() % 5; area > 0; area--) {
            assert_true(heap_map_add(&map, (enum heap_area_kind)(rand() % HEAP_AREA_KINDS),
                                     (uintptr_t)rand() * HEAP_MAP_PAGE_SIZE, (size_t)(1 + rand() % 600)));
            struct heap_area *last = &map.areas[map.count - 1];
            for (size_t at = 0; at < last->pages; at++)
                last->kinds[at] =
                    rand() % 8 == 0 || at == 0 ? (unsigned char)(rand() % HEAP_PAGE_KINDS) : last->kinds[at - 1];
        }
        heap_map_print(&map, &text);
        assert_true(heap_map_parse(text.data, &again));
        assert_int_equal(again.count, map.count);
        assert_int_equal(again.pages, map.pages);
        assert_int_equal(again.left_out, map.left_out);
        for (size_t i = 0; i < map.count; i++) {
            assert_int_equal(again.areas[i].kind, map.areas[i].kind);
            assert_true(again.areas[i].start == map.areas[i].start);
            assert_int_equal(again.areas[i].pages, map.areas[i].pages);
            assert_memory_equal(again.areas[i].kinds, map.areas[i].kinds, map.areas[i].pages);
        }
        heap_map_free(&again);
        heap_map_free(&map);
        strbuf_free(&text);
    }
}

/* A worker may write whatever it likes. */
static void nonsense_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "\n",
        "left_out",
        "left_out \n",
        "left_out 0",
        "left_out -1\n",
        "left_out 0\nmore",
        "region 1000 3 s3\n",
        "region 1000 3 s2\nleft_out 0\n",
        "region 1000 3 s4\nleft_out 0\n",
        "region 1000 3 s18446744073709551615s4\nleft_out 0\n",
        "region 1000 3 s99999999999999999999999\nleft_out 0\n",
        "region 1000 3 s0s3\nleft_out 0\n",
        "region 1000 3 s3",
        "region 1000 3 s",
        "region 1000 3 xs2\nleft_out 0\n",
        "region 1000 3  s3\nleft_out 0\n",
        "region 1000 0 \nleft_out 0\n",
        "region 1000 -3 s3\nleft_out 0\n",
        "region 1000 1048577 s1048577\nleft_out 0\n",
        "region 1000 99999999999999999999999 s\nleft_out 0\n",
        "region  3 s3\nleft_out 0\n",
        "old 1000 3 s3\nleft_out 0\n",
        "REGION 1000 3 s3\nleft_out 0\n",
        "region 1000 1048576 s1048576\nyoung 1000 1 y\nleft_out 0\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct heap_map map;

        if (heap_map_parse(texts[i], &map))
            fail_msg("taken: %s", texts[i]);
        assert_int_equal(map.count, 0);
        assert_null(map.areas);
    }
}

static void what_has_no_room_is_counted(void **state)
{
    struct heap_map map = { 0 };

    (void)state;
    assert_false(heap_map_add(&map, HEAP_AREA_YOUNG, 0x1000, 0));
    assert_int_equal(map.left_out, 0);
    assert_true(heap_map_add(&map, HEAP_AREA_REGION, 0x1000, 10));
    assert_false(heap_map_add(&map, HEAP_AREA_YOUNG, 0x1000, HEAP_MAP_PAGES_MAX - 9));
    assert_false(heap_map_add(&map, HEAP_AREA_YOUNG, 0x1000, SIZE_MAX / 4096));
    assert_int_equal(map.left_out, HEAP_MAP_PAGES_MAX - 9 + SIZE_MAX / 4096);
    assert_true(heap_map_add(&map, HEAP_AREA_YOUNG, 0x1000, HEAP_MAP_PAGES_MAX - 10));
    heap_map_free(&map);

    for (int i = 0; i < HEAP_MAP_AREAS_MAX; i++)
        assert_true(heap_map_add(&map, HEAP_AREA_YOUNG, 0x1000, 1));
    assert_false(heap_map_add(&map, HEAP_AREA_YOUNG, 0x1000, 1));
    assert_int_equal(map.left_out, 1);
    heap_map_free(&map);
}

/* The longest texts there are: all pages differ, and all areas are there. */
static void a_text_has_its_bound(void **state)
{
    struct heap_map map = { 0 };
    struct strbuf text = { 0 };

    (void)state;
    for (int i = 0; i < HEAP_MAP_AREAS_MAX; i++) {
        assert_true(heap_map_add(&map, HEAP_AREA_REGION, UINTPTR_MAX, HEAP_MAP_PAGES_MAX / HEAP_MAP_AREAS_MAX));
        for (size_t at = 0; at < map.areas[i].pages; at++)
            map.areas[i].kinds[at] = at % 2;
    }
    map.left_out = SIZE_MAX;
    heap_map_print(&map, &text);
    assert_true(text.length <= HEAP_MAP_TEXT_MAX);
    heap_map_free(&map);
    assert_true(heap_map_parse(text.data, &map));
    heap_map_free(&map);
    strbuf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_of_a_map),        cmocka_unit_test(what_is_printed_parses_to_the_same),
        cmocka_unit_test(nonsense_is_refused),  cmocka_unit_test(what_has_no_room_is_counted),
        cmocka_unit_test(a_text_has_its_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
