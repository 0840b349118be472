#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap_svg.h"

#define COLUMNS 256

static char *draw(const struct heap_map *map)
{
    struct strbuf svg = { 0 };

    heap_svg_write(&(struct heap_picture){ .pool = "web-1.x", .worker = 3, .pid = 4711, .generation = 2, .map = map },
                   &svg);
    return strbuf_detach(&svg);
}

static unsigned count(const char *text, const char *part)
{
    unsigned found = 0;

    while ((text = strstr(text, part)) != NULL) {
        found++;
        text++;
    }
    return found;
}

/* Draws the rectangles of all areas, in their order, into `cells`: each cell once. */
static size_t paint(const char *svg, unsigned char *cells, size_t room)
{
    static const char *const names[HEAP_PAGE_KINDS] = { "shared", "broken", "young", "free" };
    size_t painted = 0, base = 0, end = 0;
    char name[16];
    unsigned x, y, width, height;

    for (const char *at = svg; (at = strstr(at, "<")) != NULL; at++) {
        if (strncmp(at, "<g class=\"cells\"", 16) == 0) {
            base = end;
        } else if (sscanf(at, "<rect class=\"%15[a-z]\" x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\"", name, &x, &y,
                          &width, &height) == 5) {
            unsigned kind = 0;
            while (kind < HEAP_PAGE_KINDS && strcmp(names[kind], name) != 0)
                kind++;
            assert_in_range(kind, 0, HEAP_PAGE_KINDS - 1);
            assert_true(width > 0 && height > 0 && x + width <= COLUMNS);
            for (unsigned row = y; row < y + height; row++)
                for (unsigned column = x; column < x + width; column++) {
                    size_t cell = base + row * COLUMNS + column;
                    assert_true(cell < room);
                    assert_int_equal(cells[cell], 0xff);
                    cells[cell] = (unsigned char)kind;
                    painted++;
                    if (cell >= end)
                        end = cell + 1;
                }
        }
    }
    return painted;
}

static void assert_drawn(const struct heap_map *map)
{
    unsigned char *cells = malloc(map->pages);
    char *svg = draw(map);
    size_t at = 0;

    memset(cells, 0xff, map->pages);
    assert_int_equal(paint(svg, cells, map->pages), map->pages);
    for (int kind = 0; kind < HEAP_AREA_KINDS; kind++) /* the region first */
        for (size_t i = 0; i < map->count; i++)
            if (map->areas[i].kind == (enum heap_area_kind)kind) {
                assert_memory_equal(cells + at, map->areas[i].kinds, map->areas[i].pages);
                at += map->areas[i].pages;
            }
    free(svg);
    free(cells);
}

static void every_page_is_a_cell(void **state)
{
    static const size_t sizes[] = { 1, 2, 255, 256, 257, 511, 512, 513, 3000 };

    (void)state;
    srand(2);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int change = 1; change < 2000; change *= 3) {
            struct heap_map map = { 0 };

            assert_true(heap_map_add(&map, HEAP_AREA_YOUNG, 0x1000, 5));
            assert_true(heap_map_add(&map, HEAP_AREA_REGION, 0x100000, sizes[i]));
            for (size_t at = 1; at < sizes[i]; at++)
                map.areas[1].kinds[at] =
                    rand() % change == 0 ? (unsigned char)(rand() % HEAP_PAGE_KINDS) : map.areas[1].kinds[at - 1];
            assert_drawn(&map);
            heap_map_free(&map);
        }
}

/* 60 MB, a few hundred pages broken: runs make it small. */
static void a_large_region_makes_a_small_file(void **state)
{
    struct heap_map map = { 0 };

    (void)state;
    assert_true(heap_map_add(&map, HEAP_AREA_REGION, 0x7f0000000000, 15360));
    char *svg = draw(&map);
    assert_int_equal(count(svg, "<rect class=\"shared\""), 1);
    assert_non_null(strstr(svg, "<rect class=\"shared\" x=\"0\" y=\"0\" width=\"256\" height=\"60\"/>"));
    free(svg);
    for (size_t at = 0; at < 15360; at += 50)
        map.areas[0].kinds[at] = HEAP_PAGE_BROKEN;
    svg = draw(&map);
    assert_true(strlen(svg) < 128 << 10);
    assert_non_null(strstr(svg, "97.99 % still shared, 308 pages (1232 KiB) broken"));
    free(svg);

    /* One page is not none. */
    memset(map.areas[0].kinds, HEAP_PAGE_SHARED, 15360);
    map.areas[0].kinds[0] = HEAP_PAGE_BROKEN;
    svg = draw(&map);
    assert_non_null(strstr(svg, "99.99 % still shared, 1 page (4 KiB) broken"));
    free(svg);
    heap_map_free(&map);
}

static void what_it_is_stands_above(void **state)
{
    struct heap_map map = { .left_out = 7 };

    (void)state;
    char *svg = draw(&map);
    assert_non_null(strstr(svg, "<title>cowherd: the heap of worker 3 of pool web-1.x (pid 4711)</title>"));
    assert_non_null(strstr(svg, "generation 2"));
    assert_non_null(strstr(svg, "No region"));
    assert_non_null(strstr(svg, "7 pages had no room"));
    assert_int_equal(count(svg, "class=\"legend\""), HEAP_PAGE_KINDS);
    free(svg);
    assert_true(heap_map_add(&map, HEAP_AREA_REGION, 0x7f0012340000, 256 * 200));
    svg = draw(&map);
    assert_non_null(strstr(svg, ">7f0012340000</text>"));
    assert_in_range(count(svg, "class=\"address\""), 32, 64);
    free(svg);
    heap_map_free(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_page_is_a_cell),
        cmocka_unit_test(a_large_region_makes_a_small_file),
        cmocka_unit_test(what_it_is_stands_above),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
