#include "script_path.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

static bool ends_with_rb(const char *name, size_t length)
{
    return length > 3 && memcmp(name + length - 3, ".rb", 3) == 0;
}

/* Hidden ones never answer, which has "." and ".." with them. */
static bool may_be_named(const char *name, size_t length)
{
    return length > 0 && length <= NAME_MAX && name[0] != '.' && memchr(name, '\\', length) == NULL;
}

bool script_path_is_script(const char *name, const char *index)
{
    size_t length = strlen(name);

    return strcmp(name, index) == 0 || (may_be_named(name, length) && ends_with_rb(name, length));
}

bool script_path_is_directory(const char *name)
{
    size_t length = strlen(name);

    return may_be_named(name, length) && !ends_with_rb(name, length);
}

/* A front end that resolves such segments has checked another path than the script would see. */
static bool has_dots(const char *info)
{
    while (*info == '/') {
        const char *segment = info + 1;
        size_t length = strcspn(segment, "/");
        if ((length == 1 || length == 2) && memcmp(segment, "..", length) == 0)
            return true;
        info = segment + length;
    }
    return false;
}

static bool set_file(struct script_path *mapped, const char *start, size_t length, const char *index)
{
    size_t rest = strlen(index);

    if (length + 1 + rest >= sizeof mapped->file)
        return false;
    memcpy(mapped->file, start, length);
    if (rest > 0 && length > 0 && mapped->file[length - 1] != '/')
        mapped->file[length++] = '/';
    memcpy(mapped->file + length, index, rest + 1);
    mapped->length = length + rest;
    return true;
}

bool script_path_map(const char *path, const char *index, struct script_path *mapped)
{
    const char *start = path + (path[0] == '/');
    const char *at = start;

    mapped->slash_missing = path[0] == '\0';
    mapped->info = "";
    if (path[0] != '/' && path[0] != '\0')
        return false;
    while (*at != '\0') {
        size_t length = strcspn(at, "/");
        if (!may_be_named(at, length))
            return false;
        bool script = ends_with_rb(at, length);
        at += length;
        if (script) {
            mapped->info = at;
            return !has_dots(at) && set_file(mapped, start, (size_t)(at - start), "");
        }
        mapped->slash_missing = *at == '\0';
        at += *at == '/';
    }
    return set_file(mapped, start, (size_t)(at - start), index);
}

static void append_encoded(struct strbuf *out, const char *text, const char *kept)
{
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (isalnum(byte) || strchr(kept, byte) != NULL)
            strbuf_append(out, text, 1);
        else
            strbuf_printf(out, "%%%02X", (unsigned)byte);
    }
}

void script_path_location(struct strbuf *out, const char *prefix, const char *path, const char *query)
{
    append_encoded(out, prefix, "-._~/");
    append_encoded(out, path, "-._~/");
    strbuf_puts(out, "/");
    if (query != NULL && query[0] != '\0') {
        strbuf_puts(out, "?");
        append_encoded(out, query, "-._~/!$&'()*+,;=:@?%[]");
    }
}
