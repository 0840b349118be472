#include "heap_survey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "heap.h"
#include "mapping.h"
#include "region.h"
#include "xalloc.h"

#define PAGE ((uintptr_t)HEAP_MAP_PAGE_SIZE)

/* A page's entry (Documentation/admin-guide/mm/pagemap.rst). */
#define ENTRY_PRESENT (UINT64_C(1) << 63)
#define ENTRY_SWAPPED (UINT64_C(1) << 62)
#define ENTRY_FILE (UINT64_C(1) << 61) /* or shared memory: not copied by us */
#define ENTRY_ALONE (UINT64_C(1) << 56)

static int read_maps(struct strbuf *text)
{
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    char chunk[4096];
    ssize_t count;

    if (fd == -1)
        return -1;
    while ((count = read(fd, chunk, sizeof chunk)) > 0 || (count == -1 && errno == EINTR))
        if (count > 0)
            strbuf_append(text, chunk, (size_t)count);
    close(fd);
    return count == -1 ? -1 : 0;
}

static void add_areas(struct heap_map *map, const char *text, enum mapping_kind wanted, enum heap_area_kind kind)
{
    struct mapping_reader reader = { .region_start = region_bounds.start, .region_end = region_bounds.end };
    struct mapping mapping;

    for (const char *line = text; *line != '\0';) {
        const char *end = strchrnul(line, '\n');
        char *copy = xstrndup(line, (size_t)(end - line));

        if (mapping_parse(&reader, copy, &mapping) && mapping.kind == wanted)
            heap_map_add(map, kind, mapping.start, (mapping.end - mapping.start) / PAGE);
        free(copy);
        line = *end != '\0' ? end + 1 : end;
    }
}

/* The file is root's for a process that has changed user, unless that may be dumped. */
static int open_pagemap(void)
{
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

    if (fd == -1 && errno == EACCES && prctl(PR_GET_DUMPABLE) == 0) {
        prctl(PR_SET_DUMPABLE, 1);
        fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
        prctl(PR_SET_DUMPABLE, 0);
    }
    return fd;
}

static enum heap_page_kind classify(enum heap_area_kind area, uint64_t entry)
{
    if (area == HEAP_AREA_REGION)
        return (entry & (ENTRY_PRESENT | ENTRY_SWAPPED)) != 0 && (entry & ENTRY_FILE) == 0 ? HEAP_PAGE_BROKEN
                                                                                           : HEAP_PAGE_SHARED;
    if (entry & ENTRY_SWAPPED)
        return HEAP_PAGE_YOUNG;
    if ((entry & ENTRY_PRESENT) == 0)
        return HEAP_PAGE_FREE;
    return entry & ENTRY_ALONE ? HEAP_PAGE_YOUNG : HEAP_PAGE_SHARED;
}

static int survey_pages(int pagemap, struct heap_area *area)
{
    uint64_t entries[512];

    for (size_t at = 0; at < area->pages;) {
        size_t wanted = area->pages - at < 512 ? area->pages - at : 512;
        ssize_t got =
            pread(pagemap, entries, wanted * sizeof *entries, (off_t)((area->start / PAGE + at) * sizeof *entries));

        if (got < (ssize_t)sizeof *entries) {
            if (got >= 0)
                errno = EIO;
            return -1;
        }
        for (size_t i = 0; i < (size_t)got / sizeof *entries; i++)
            area->kinds[at++] = (unsigned char)classify(area->kind, entries[i]);
    }
    return 0;
}

/* The bytes of each page that are known to hold nothing. */
struct vacancy {
    const struct heap_area *area;
    uint16_t *bytes;
};

static void vacate(const struct vacancy *vacancy, uintptr_t start, size_t size)
{
    uintptr_t first = vacancy->area->start, end = first + vacancy->area->pages * PAGE;

    while (size > 0 && start >= first && start < end) {
        size_t in_page = PAGE - start % PAGE < size ? PAGE - start % PAGE : size;

        vacancy->bytes[(start - first) / PAGE] += (uint16_t)in_page;
        start += in_page;
        size -= in_page;
    }
}

static void vacate_block(void *address, size_t size, void *data)
{
    vacate(data, (uintptr_t)address, size);
}

static void vacate_slot(const struct RBasic *object, size_t size, void *data)
{
    if (object->tt == MRB_TT_FREE)
        vacate(data, (uintptr_t)object, size);
}

static void survey_vacancy(struct heap_area *area, const struct app_set *apps)
{
    struct vacancy vacancy = { .area = area, .bytes = xcalloc(area->pages, sizeof *vacancy.bytes) };

    if (area->kind == HEAP_AREA_REGION)
        region_each_free(vacate_block, &vacancy);
    else
        for (size_t i = 0; i < apps->vm_count; i++)
            heap_each_young(apps->vms[i]->mrb, vacate_slot, &vacancy);
    for (size_t at = 0; at < area->pages; at++)
        if (vacancy.bytes[at] == PAGE && area->kinds[at] != HEAP_PAGE_BROKEN)
            area->kinds[at] = HEAP_PAGE_FREE;
    free(vacancy.bytes);
}

int heap_survey(const struct app_set *apps, struct heap_map *map)
{
    struct strbuf maps = { 0 };
    int pagemap = -1, result = -1;

    if (sysconf(_SC_PAGESIZE) != HEAP_MAP_PAGE_SIZE) {
        errno = ENOTSUP;
        return -1;
    }
    if (read_maps(&maps) == -1 || (pagemap = open_pagemap()) == -1)
        goto done;
    add_areas(map, maps.data, MAPPING_REGION, HEAP_AREA_REGION);
    add_areas(map, maps.data, MAPPING_YOUNG, HEAP_AREA_YOUNG);
    for (size_t i = 0; i < map->count; i++) {
        if (survey_pages(pagemap, &map->areas[i]) == -1)
            goto done;
        survey_vacancy(&map->areas[i], apps);
    }
    result = 0;
done:;
    int error = errno;
    if (pagemap != -1)
        close(pagemap);
    strbuf_free(&maps);
    errno = error;
    return result;
}

static ssize_t write_whole(int fd, const char *data, size_t length)
{
    for (size_t at = 0; at < length;) {
        ssize_t written = pwrite(fd, data + at, length - at, (off_t)at);

        if (written == -1 && errno != EINTR)
            return -1;
        if (written > 0)
            at += (size_t)written;
    }
    return (ssize_t)length;
}

ssize_t heap_survey_write(const struct app_set *apps, int fd)
{
    struct heap_map map = { 0 };
    struct strbuf text = { 0 };
    ssize_t length = -1;

    if (heap_survey(apps, &map) == 0) {
        heap_map_print(&map, &text);
        length = write_whole(fd, text.data, text.length);
    }
    int error = errno;
    heap_map_free(&map);
    strbuf_free(&text);
    errno = error;
    return length;
}
