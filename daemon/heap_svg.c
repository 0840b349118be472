#include "heap_svg.h"

#define COLUMNS 256 /* pages in a row: 1 MiB */
#define CELL_WIDTH 4
#define CELL_HEIGHT 8
#define LEFT 120
#define RIGHT 40
#define WIDTH (LEFT + COLUMNS * CELL_WIDTH + RIGHT)
#define HEAD_HEIGHT 132
#define AREA_HEAD 52 /* its heading and its scale */
#define AREA_GAP 24
#define LABELS_MAX 64 /* of rows, in one area */

/* Okabe and Ito's colours: told apart with every kind of colour vision, and by their lightness where they meet. */
static const struct {
    const char *colour;
    const char *meaning;
} looks[HEAP_PAGE_KINDS] = {
    [HEAP_PAGE_SHARED] = { "#56b4e9", "not written since the fork" },
    [HEAP_PAGE_BROKEN] = { "#d55e00", "loaded before the fork, copied by a write" },
    [HEAP_PAGE_YOUNG] = { "#009e73", "the worker's own" },
    [HEAP_PAGE_FREE] = { "#e4e4e4", "holds nothing" },
};

static size_t rows_of(const struct heap_area *area)
{
    return (area->pages + COLUMNS - 1) / COLUMNS;
}

static size_t pages_of_kind(const struct heap_map *map, enum heap_page_kind kind)
{
    return heap_map_count(map, HEAP_AREA_REGION, kind) + heap_map_count(map, HEAP_AREA_YOUNG, kind);
}

static size_t pages_of_area_kind(const struct heap_map *map, enum heap_area_kind kind)
{
    size_t pages = 0;

    for (size_t i = 0; i < map->count; i++)
        pages += map->areas[i].kind == kind ? map->areas[i].pages : 0;
    return pages;
}

static size_t picture_height(const struct heap_map *map)
{
    size_t height = HEAD_HEIGHT;

    for (size_t i = 0; i < map->count; i++)
        height += AREA_HEAD + rows_of(&map->areas[i]) * CELL_HEIGHT + AREA_GAP;
    return height;
}

static void write_size(struct strbuf *out, size_t pages)
{
    size_t kib = pages * (HEAP_MAP_PAGE_SIZE / 1024);

    if (kib < 10 * 1024)
        strbuf_printf(out, "%zu KiB", kib);
    else
        strbuf_printf(out, "%.1f MiB", (double)kib / 1024);
}

static void write_pages(struct strbuf *out, size_t pages)
{
    strbuf_printf(out, "%zu page%s (", pages, pages == 1 ? "" : "s");
    write_size(out, pages);
    strbuf_puts(out, ")");
}

static void write_style(struct strbuf *out)
{
    strbuf_puts(out, "<style>\n"
                     "text { font: 12px sans-serif; fill: #222 }\n"
                     ".name { font-size: 18px; font-weight: bold }\n"
                     ".area { font-weight: bold }\n"
                     ".address { font: 9px monospace; text-anchor: end }\n"
                     ".scale { font-size: 10px; text-anchor: middle }\n");
    for (int kind = 0; kind < HEAP_PAGE_KINDS; kind++)
        strbuf_printf(out, ".%s { fill: %s }\n", heap_page_name((enum heap_page_kind)kind), looks[kind].colour);
    strbuf_printf(out,
                  "</style>\n"
                  "<defs><pattern id=\"cells\" width=\"%d\" height=\"%d\" patternUnits=\"userSpaceOnUse\">"
                  "<path d=\"M%d 0V%dH0\" fill=\"none\" stroke=\"#fff\" stroke-width=\"0.7\"/></pattern></defs>\n",
                  CELL_WIDTH, CELL_HEIGHT, CELL_WIDTH, CELL_HEIGHT);
}

static void write_figures(struct strbuf *out, const struct heap_map *map)
{
    size_t region = pages_of_area_kind(map, HEAP_AREA_REGION);
    size_t broken = heap_map_count(map, HEAP_AREA_REGION, HEAP_PAGE_BROKEN);

    strbuf_printf(out, "<text class=\"figures\" x=\"%d\" y=\"72\">", LEFT);
    if (region > 0) {
        strbuf_puts(out, "Region: ");
        write_pages(out, region);
        /* Rounded down: 100 % is all of it. */
        size_t shared = (region - broken) * 10000 / region;
        strbuf_printf(out, ", %zu.%02zu %% still shared, ", shared / 100, shared % 100);
        write_pages(out, broken);
        strbuf_puts(out, " broken. ");
    } else {
        strbuf_puts(out, "No region: the heap is not frozen. ");
    }
    strbuf_puts(out, "Young heap: ");
    write_pages(out, heap_map_count(map, HEAP_AREA_YOUNG, HEAP_PAGE_YOUNG));
    strbuf_puts(out, " of its own.");
    if (map->left_out > 0)
        strbuf_printf(out, " %zu pages had no room in this picture.", map->left_out);
    strbuf_puts(out, "</text>\n");
}

static void write_legend(struct strbuf *out, const struct heap_map *map)
{
    for (int kind = 0; kind < HEAP_PAGE_KINDS; kind++) {
        int x = LEFT + kind * (COLUMNS * CELL_WIDTH / HEAP_PAGE_KINDS);

        strbuf_printf(out,
                      "<path class=\"%s\" d=\"M%d 86h14v14h-14z\"/>"
                      "<text class=\"legend\" x=\"%d\" y=\"97\">%s: ",
                      heap_page_name((enum heap_page_kind)kind), x, x + 20, heap_page_name((enum heap_page_kind)kind));
        write_pages(out, pages_of_kind(map, (enum heap_page_kind)kind));
        strbuf_printf(out, "</text><text class=\"scale\" style=\"text-anchor: start\" x=\"%d\" y=\"111\">%s</text>\n",
                      x + 20, looks[kind].meaning);
    }
}

static void write_head(struct strbuf *out, const struct heap_picture *picture)
{
    size_t height = picture_height(picture->map);

    strbuf_printf(out,
                  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"%d\" height=\"%zu\" "
                  "viewBox=\"0 0 %d %zu\">\n"
                  "<title>cowherd: the heap of worker %u of pool %s (pid %ld)</title>\n",
                  WIDTH, height, WIDTH, height, picture->worker, picture->pool, picture->pid);
    write_style(out);
    strbuf_printf(out,
                  "<path d=\"M0 0H%dV%zuH0z\" fill=\"#fff\"/>\n"
                  "<text class=\"name\" x=\"%d\" y=\"32\">The heap of worker %u of pool %s</text>\n"
                  "<text x=\"%d\" y=\"54\">pid %ld, generation %u. A cell is a page of %d KiB, a row is %d KiB; "
                  "addresses at the left.</text>\n",
                  WIDTH, height, LEFT, picture->worker, picture->pool, LEFT, picture->pid, picture->generation,
                  HEAP_MAP_PAGE_SIZE / 1024, COLUMNS * HEAP_MAP_PAGE_SIZE / 1024);
    write_figures(out, picture->map);
    write_legend(out, picture->map);
}

static void write_scale(struct strbuf *out, size_t y)
{
    for (int tick = 0; tick <= 4; tick++) {
        int x = LEFT + tick * COLUMNS * CELL_WIDTH / 4;

        strbuf_printf(
            out, "<text class=\"scale\" x=\"%d\" y=\"%zu\">+%d KiB</text><path d=\"M%d %zuv4\" stroke=\"#222\"/>\n", x,
            y, tick * COLUMNS * HEAP_MAP_PAGE_SIZE / 1024 / 4, x, y + 3);
    }
}

static void write_addresses(struct strbuf *out, const struct heap_area *area, size_t y)
{
    size_t rows = rows_of(area), step = 1;

    while (rows / step > LABELS_MAX)
        step *= 2;
    for (size_t row = 0; row < rows; row += step)
        strbuf_printf(out, "<text class=\"address\" x=\"%d\" y=\"%zu\">%llx</text>\n", LEFT - 6,
                      y + row * CELL_HEIGHT + CELL_HEIGHT - 1,
                      (unsigned long long)(area->start + row * COLUMNS * HEAP_MAP_PAGE_SIZE));
}

static void write_rect(struct strbuf *out, const struct heap_area *area, size_t at, size_t width, size_t height)
{
    enum heap_page_kind kind = (enum heap_page_kind)area->kinds[at];

    strbuf_printf(out, "<rect class=\"%s\" x=\"%zu\" y=\"%zu\" width=\"%zu\" height=\"%zu\"", heap_page_name(kind),
                  at % COLUMNS, at / COLUMNS, width, height);
    if (kind == HEAP_PAGE_BROKEN)
        strbuf_printf(out, "><title>%llx, %zu KiB</title></rect>\n",
                      (unsigned long long)(area->start + at * HEAP_MAP_PAGE_SIZE),
                      width * height * (HEAP_MAP_PAGE_SIZE / 1024));
    else
        strbuf_puts(out, "/>\n");
}

/* The rest of a row, whole rows as one, the beginning of a row. */
static void write_run(struct strbuf *out, const struct heap_area *area, size_t at, size_t end)
{
    while (at < end) {
        size_t left = end - at, room = COLUMNS - at % COLUMNS;

        if (room == COLUMNS && left >= COLUMNS) {
            write_rect(out, area, at, COLUMNS, left / COLUMNS);
            at += left / COLUMNS * COLUMNS;
        } else {
            size_t width = left < room ? left : room;
            write_rect(out, area, at, width, 1);
            at += width;
        }
    }
}

static void write_cells(struct strbuf *out, const struct heap_area *area, size_t y)
{
    strbuf_printf(out,
                  "<g class=\"cells\" shape-rendering=\"crispEdges\" transform=\"translate(%d %zu) scale(%d %d)\">\n",
                  LEFT, y, CELL_WIDTH, CELL_HEIGHT);
    for (size_t at = 0, end; at < area->pages; at = end) {
        for (end = at + 1; end < area->pages && area->kinds[end] == area->kinds[at]; end++)
            continue;
        write_run(out, area, at, end);
    }
    strbuf_printf(out,
                  "</g>\n<g transform=\"translate(%d %zu)\"><path d=\"M0 0h%dv%zuh-%dz\" fill=\"url(#cells)\"/></g>\n",
                  LEFT, y, COLUMNS * CELL_WIDTH, rows_of(area) * CELL_HEIGHT, COLUMNS * CELL_WIDTH);
}

static size_t write_area(struct strbuf *out, const struct heap_area *area, size_t y)
{
    strbuf_printf(out, "<text class=\"area\" x=\"%d\" y=\"%zu\">%s at %llx, ", LEFT, y + 16,
                  area->kind == HEAP_AREA_REGION ? "The region, loaded before the fork," : "Young heap",
                  (unsigned long long)area->start);
    write_pages(out, area->pages);
    strbuf_puts(out, "</text>\n");
    write_scale(out, y + 36);
    y += AREA_HEAD - 8;
    write_addresses(out, area, y);
    write_cells(out, area, y);
    return y + 8 + rows_of(area) * CELL_HEIGHT + AREA_GAP;
}

void heap_svg_write(const struct heap_picture *picture, struct strbuf *out)
{
    const struct heap_map *map = picture->map;
    size_t y = HEAD_HEIGHT;

    write_head(out, picture);
    for (int kind = 0; kind < HEAP_AREA_KINDS; kind++)
        for (size_t i = 0; i < map->count; i++)
            if (map->areas[i].kind == (enum heap_area_kind)kind)
                y = write_area(out, &map->areas[i], y);
    strbuf_puts(out, "</svg>\n");
}
