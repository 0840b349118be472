/*
 * A picture (SVG) of a map of a heap: a cell for each page, a row for each MiB, the region first. Cells of one kind
 * that stand in a row are one <rect class="KIND"> whose width and height count cells.
 */
#ifndef COWHERD_HEAP_SVG_H
#define COWHERD_HEAP_SVG_H

#include "heap_map.h"
#include "strbuf.h"

struct heap_picture {
    const char *pool; /* a name as the configuration allows it: nothing in it needs escaping */
    unsigned worker;
    long pid;
    unsigned generation;
    const struct heap_map *map;
};

void heap_svg_write(const struct heap_picture *picture, struct strbuf *out);

#endif
