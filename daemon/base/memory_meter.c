#include "memory_meter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mapping.h"
#include "strbuf.h"

struct meter {
    struct mapping_reader reader;
    enum mapping_kind kind; /* of the mapping whose lines are being read */
    bool shared;
    unsigned mappings;
    bool has_page_tables;
    struct memory_figures figures;
};

/* "Name:   123 kB" */
struct field {
    const char *name;
    size_t name_length;
    uint64_t bytes;
};

static bool parse_field(const char *line, struct field *field)
{
    const char *colon = strchr(line, ':');

    if (colon == NULL)
        return false;

    const char *value = colon + 1 + strspn(colon + 1, " \t");
    char *end;
    unsigned long long kilobytes = strtoull(value, &end, 10);

    if (end == value || strcmp(end, " kB") != 0)
        return false;
    *field = (struct field){ .name = line, .name_length = (size_t)(colon - line), .bytes = kilobytes * 1024 };
    return true;
}

static bool is_named(const struct field *field, const char *name)
{
    return strlen(name) == field->name_length && memcmp(field->name, name, field->name_length) == 0;
}

static void smaps_line(struct meter *meter, const char *line)
{
    struct memory_part *part = &meter->figures.parts[meter->kind];
    struct mapping mapping;
    struct field field;

    if (mapping_parse(&meter->reader, line, &mapping)) {
        meter->kind = mapping.kind;
        meter->shared = mapping.shared;
        meter->mappings++;
    } else if (parse_field(line, &field)) {
        if (is_named(&field, "Rss")) {
            part->rss += field.bytes;
        } else if (is_named(&field, "Shared_Hugetlb")) {
            part->rss += field.bytes; /* huge pages are not in Rss */
        } else if (is_named(&field, "Private_Hugetlb")) {
            part->rss += field.bytes;
            part->private_bytes += field.bytes;
        } else if (meter->kind == MAPPING_REGION) {
            if (is_named(&field, "Anonymous"))
                part->private_bytes += field.bytes;
        } else if (meter->shared) {
            return;
        } else if (is_named(&field, "Private_Clean") || is_named(&field, "Private_Dirty")) {
            part->private_bytes += field.bytes;
        }
    }
}

static void status_line(struct meter *meter, const char *line)
{
    struct field field;

    if (!parse_field(line, &field))
        return;
    if (is_named(&field, "VmPTE")) {
        meter->figures.page_tables = field.bytes;
        meter->has_page_tables = true;
    } else if (is_named(&field, "VmSwap")) {
        meter->figures.swap = field.bytes;
    }
}

/* Hands every line of a file in the process's directory to `take`. 0, or -1 with errno. */
static int each_line(int directory, const char *name, void (*take)(struct meter *, const char *), struct meter *meter)
{
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);

    if (fd == -1)
        return -1;

    struct strbuf text = { 0 };
    char chunk[16384];
    ssize_t count;

    while ((count = read(fd, chunk, sizeof chunk)) > 0 || (count == -1 && errno == EINTR)) {
        if (count == -1)
            continue;
        strbuf_append(&text, chunk, (size_t)count);

        char *line = text.data, *newline;
        for (; (newline = strchr(line, '\n')) != NULL; line = newline + 1) {
            *newline = '\0';
            take(meter, line);
        }
        strbuf_consume(&text, (size_t)(line - text.data));
    }

    int error = errno;

    strbuf_free(&text);
    close(fd);
    errno = error;
    return count == -1 ? -1 : 0;
}

static int measure(int directory, struct meter *meter)
{
    if (each_line(directory, "smaps", smaps_line, meter) == -1)
        return -1;
    if (each_line(directory, "status", status_line, meter) == -1)
        return -1;
    /* A zombie's files are there, but say nothing of memory; so when it died half way through, too. */
    if (meter->mappings == 0 || !meter->has_page_tables) {
        errno = ESRCH;
        return -1;
    }
    return 0;
}

int memory_measure(pid_t pid, uintptr_t region_start, uintptr_t region_end, struct memory_figures *figures)
{
    char path[32] = "/proc/self";

    if (pid != 0)
        snprintf(path, sizeof path, "/proc/%ld", (long)pid);

    /* Both files are opened below one descriptor: they are of the same process even when the pid is used again. */
    int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct meter meter = { .reader = { .region_start = region_start, .region_end = region_end } };
    int result = directory != -1 ? measure(directory, &meter) : -1;
    int error = errno;

    if (directory != -1)
        close(directory);
    if (result == -1) {
        if (error == ENOENT)
            error = ESRCH;
        else if (error == EPERM)
            error = EACCES;
        errno = error;
        return -1;
    }
    *figures = meter.figures;
    figures->broken = figures->parts[MAPPING_REGION].private_bytes;
    for (int kind = 0; kind < MAPPING_KINDS; kind++) {
        figures->rss += figures->parts[kind].rss;
        figures->private_bytes += figures->parts[kind].private_bytes;
    }
    /* The kernel counts mapping by mapping while the process runs: the sums need not fit exactly. */
    figures->shared = figures->rss > figures->private_bytes ? figures->rss - figures->private_bytes : 0;
    return 0;
}
