#include "hook_path.h"

#include <stddef.h>
#include <string.h>

static const char *skip_slashes(const char *path)
{
    return path + strspn(path, "/");
}

/* The segment of `prefix` that has number `index`; "" behind the last. */
static const char *segment_at(const char *prefix, size_t index)
{
    prefix = skip_slashes(prefix);
    while (index-- > 0)
        prefix = skip_slashes(prefix + strcspn(prefix, "/"));
    return prefix;
}

bool hooks_match(const char *prefix, const char *path)
{
    size_t depth = 0;   /* of where the path has come to */
    size_t matched = 0; /* segments of it, from the first, that are the prefix's */

    if (*segment_at(prefix, 0) == '\0')
        return true;
    for (path = skip_slashes(path); *path != '\0'; path = skip_slashes(path)) {
        size_t length = strcspn(path, "/");
        const char *wanted = segment_at(prefix, matched);

        if (length == 2 && path[0] == '.' && path[1] == '.') {
            depth -= depth > 0;
            matched = matched > depth ? depth : matched;
        } else if (length > 1 || path[0] != '.') {
            if (matched == depth && strcspn(wanted, "/") == length && memcmp(wanted, path, length) == 0)
                matched++;
            depth++;
        }
        if (*segment_at(prefix, matched) == '\0')
            return true;
        path += length;
    }
    return false;
}
