#include "mapping.h"

#include <stdlib.h>
#include <string.h>

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* "5581e000-5581f000 " */
static const char *parse_range(const char *line, uintptr_t *start, uintptr_t *end)
{
    char *after;

    *start = (uintptr_t)strtoull(line, &after, 16);
    if (after == line || *after != '-')
        return NULL;

    const char *second = after + 1;

    *end = (uintptr_t)strtoull(second, &after, 16);
    return after != second && *after == ' ' ? after + 1 : NULL;
}

/* Behind permissions, offset, device and inode; "" for anonymous memory. */
static const char *name_of(const char *rest)
{
    for (int field = 0; field < 4; field++) {
        rest += strcspn(rest, " ");
        rest += strspn(rest, " ");
    }
    return rest;
}

static bool is_file(const char *name)
{
    return *name == '/' && !begins_with(name, "/memfd:") && !begins_with(name, "/dev/zero") &&
           !begins_with(name, "/dev/shm/") && !begins_with(name, "/SYSV");
}

static enum mapping_kind classify(const struct mapping_reader *reader, const struct mapping *mapping, const char *rest)
{
    const char *name = name_of(rest);

    if (mapping->start < reader->region_end && mapping->end > reader->region_start)
        return MAPPING_REGION;
    if (strcmp(name, "[heap]") == 0)
        return MAPPING_YOUNG;
    if (strcmp(name, "[stack]") == 0)
        return MAPPING_STACK;
    if (is_file(name))
        return MAPPING_LIBRARIES;
    if (*name != '\0' || !begins_with(rest, "rw") || rest[2] == '\0' || rest[3] != 'p')
        return MAPPING_OTHER;
    return mapping->start == reader->file_end ? MAPPING_LIBRARIES : MAPPING_YOUNG;
}

/* One process alone may have touched a page of it so far. Anonymous memory is its own until a fork. */
static bool is_shared(const char *rest)
{
    const char *name = name_of(rest);

    return strlen(rest) > 3 && rest[3] == 's' && (is_file(name) || begins_with(name, "/memfd:"));
}

bool mapping_parse(struct mapping_reader *reader, const char *line, struct mapping *mapping)
{
    const char *rest = parse_range(line, &mapping->start, &mapping->end);

    if (rest == NULL)
        return false;
    mapping->kind = classify(reader, mapping, rest);
    mapping->shared = is_shared(rest);
    reader->file_end = is_file(name_of(rest)) ? mapping->end : 0;
    return true;
}
