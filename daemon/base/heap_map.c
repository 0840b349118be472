#include "heap_map.h"

#include <stdlib.h>
#include <string.h>

#include "xalloc.h"

static const char page_letters[HEAP_PAGE_KINDS + 1] = "sbyf";

const char *heap_area_name(enum heap_area_kind kind)
{
    static const char *const names[HEAP_AREA_KINDS] = { "region", "young" };

    return names[kind];
}

const char *heap_page_name(enum heap_page_kind kind)
{
    static const char *const names[HEAP_PAGE_KINDS] = { "shared", "broken", "young", "free" };

    return names[kind];
}

bool heap_map_add(struct heap_map *map, enum heap_area_kind kind, uintptr_t start, size_t pages)
{
    if (pages == 0)
        return false;
    if (map->count == HEAP_MAP_AREAS_MAX || pages > HEAP_MAP_PAGES_MAX - map->pages) {
        map->left_out += pages;
        return false;
    }
    map->areas = xreallocarray(map->areas, map->count + 1, sizeof *map->areas);
    map->areas[map->count++] = (struct heap_area){
        .kind = kind,
        .start = start,
        .pages = pages,
        .kinds = xcalloc(pages, 1),
    };
    map->pages += pages;
    return true;
}

size_t heap_map_count(const struct heap_map *map, enum heap_area_kind area, enum heap_page_kind page)
{
    size_t count = 0;

    for (size_t i = 0; i < map->count; i++)
        for (size_t at = 0; map->areas[i].kind == area && at < map->areas[i].pages; at++)
            count += map->areas[i].kinds[at] == page;
    return count;
}

static void print_kinds(const struct heap_area *area, struct strbuf *out)
{
    for (size_t at = 0, end; at < area->pages; at = end) {
        for (end = at + 1; end < area->pages && area->kinds[end] == area->kinds[at]; end++)
            continue;
        strbuf_append(out, &page_letters[area->kinds[at]], 1);
        if (end - at > 1)
            strbuf_printf(out, "%zu", end - at);
    }
}

void heap_map_print(const struct heap_map *map, struct strbuf *out)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct heap_area *area = &map->areas[i];

        strbuf_printf(out, "%s %llx %zu ", heap_area_name(area->kind), (unsigned long long)area->start, area->pages);
        print_kinds(area, out);
        strbuf_puts(out, "\n");
    }
    strbuf_printf(out, "left_out %zu\n", map->left_out);
}

/* A number without sign or space before it. */
static bool take_number(const char **text, int base, unsigned long long *number)
{
    char *end;

    if (**text == '\0' || strchr("0123456789abcdef", **text) == NULL)
        return false;
    *number = strtoull(*text, &end, base);
    if (end == *text)
        return false;
    *text = end;
    return true;
}

static bool take_word(const char **text, const char *word)
{
    size_t length = strlen(word);

    if (strncmp(*text, word, length) != 0)
        return false;
    *text += length;
    return true;
}

static bool parse_kinds(const char **text, const struct heap_area *area)
{
    size_t at = 0;

    while (**text != '\n') {
        const char *letter = **text != '\0' ? strchr(page_letters, **text) : NULL;
        unsigned long long count = 1;

        if (letter == NULL)
            return false;
        ++*text;
        if (**text >= '0' && **text <= '9' && !take_number(text, 10, &count))
            return false;
        if (count == 0 || count > area->pages - at)
            return false;
        memset(area->kinds + at, (int)(letter - page_letters), count);
        at += count;
    }
    return at == area->pages;
}

static bool parse_area(const char **text, struct heap_map *map)
{
    unsigned long long start, pages;
    int kind = 0;

    while (kind < HEAP_AREA_KINDS && !take_word(text, heap_area_name((enum heap_area_kind)kind)))
        kind++;
    return kind < HEAP_AREA_KINDS && take_word(text, " ") && take_number(text, 16, &start) && take_word(text, " ") &&
           take_number(text, 10, &pages) && take_word(text, " ") && pages <= HEAP_MAP_PAGES_MAX &&
           heap_map_add(map, (enum heap_area_kind)kind, (uintptr_t)start, pages) &&
           parse_kinds(text, &map->areas[map->count - 1]) && take_word(text, "\n");
}

bool heap_map_parse(const char *text, struct heap_map *map)
{
    unsigned long long left_out;

    *map = (struct heap_map){ 0 };
    while (!take_word(&text, "left_out "))
        if (!parse_area(&text, map)) {
            heap_map_free(map);
            return false;
        }
    if (!take_number(&text, 10, &left_out) || strcmp(text, "\n") != 0) {
        heap_map_free(map);
        return false;
    }
    map->left_out = left_out;
    return true;
}

void heap_map_free(struct heap_map *map)
{
    for (size_t i = 0; i < map->count; i++)
        free(map->areas[i].kinds);
    free(map->areas);
    *map = (struct heap_map){ 0 };
}
