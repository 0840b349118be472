/*
 * A map of a worker's heap, page by page: made by the worker, drawn by the command `heap`, and a text in between. The
 * text has a line for each area, "AREA START PAGES KINDS": what it is, its address in hexadecimal, its pages, and their
 * kinds as letters, each followed by a count when several of a kind stand in a row ("s120b2s"); then "left_out PAGES".
 */
#ifndef COWHERD_HEAP_MAP_H
#define COWHERD_HEAP_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "strbuf.h"

#define HEAP_MAP_PAGE_SIZE 4096
/* 4 GiB. What goes beyond is left out, and counted. */
#define HEAP_MAP_PAGES_MAX ((size_t)1 << 20)
#define HEAP_MAP_AREAS_MAX 4096
/* No text is longer. */
#define HEAP_MAP_TEXT_MAX (HEAP_MAP_PAGES_MAX + (size_t)HEAP_MAP_AREAS_MAX * 64)

enum heap_area_kind {
    HEAP_AREA_REGION, /* what was loaded before the fork */
    HEAP_AREA_YOUNG,  /* what malloc took */
    HEAP_AREA_KINDS
};

enum heap_page_kind {
    HEAP_PAGE_SHARED, /* with the mold, and so with its other workers: never written since the fork */
    HEAP_PAGE_BROKEN, /* of the region, copied by a write */
    HEAP_PAGE_YOUNG,  /* of the process's own */
    HEAP_PAGE_FREE,   /* holds nothing that lives */
    HEAP_PAGE_KINDS
};

struct heap_area {
    enum heap_area_kind kind;
    uintptr_t start;
    size_t pages;
    unsigned char *kinds; /* enum heap_page_kind of each */
};

struct heap_map {
    struct heap_area *areas;
    size_t count;
    size_t pages;    /* of all areas */
    size_t left_out; /* pages of areas that had no room */
};

/* "region", "young"; "shared", "broken", "young", "free". */
const char *heap_area_name(enum heap_area_kind kind);
const char *heap_page_name(enum heap_page_kind kind);

/* Adds an area whose pages are all HEAP_PAGE_SHARED. false: it had no room (or no page). */
bool heap_map_add(struct heap_map *map, enum heap_area_kind kind, uintptr_t start, size_t pages);

/* The pages of one kind in all areas of one kind. */
size_t heap_map_count(const struct heap_map *map, enum heap_area_kind area, enum heap_page_kind page);

void heap_map_print(const struct heap_map *map, struct strbuf *out);

/* Reads such a text into an empty map. false: it is none, and the map is empty. */
bool heap_map_parse(const char *text, struct heap_map *map);

/* Leaves an empty map. */
void heap_map_free(struct heap_map *map);

#endif
