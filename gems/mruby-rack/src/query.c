#include "query.h"

#include <string.h>

static bool is_separator(char byte, const char *separators)
{
    return byte != '\0' && strchr(separators, byte) != NULL;
}

static const char *part_end(const char *at, const char *end, const char *separators)
{
    if (separators[0] != '\0' && separators[1] == '\0') {
        const char *found = memchr(at, separators[0], (size_t)(end - at));
        return found != NULL ? found : end;
    }
    while (at < end && !is_separator(*at, separators))
        at++;
    return at;
}

bool query_next(const char **at, const char *end, const char *separators, struct query_pair *pair)
{
    while (*at < end) {
        const char *from = *at, *to = part_end(from, end, separators);
        *at = to;
        if (to < end)
            for (++*at; *at < end && **at == ' ';)
                ++*at;
        if (from == to)
            continue;
        const char *equals = memchr(from, '=', (size_t)(to - from));
        pair->name = from;
        pair->name_length = (size_t)((equals != NULL ? equals : to) - from);
        pair->value = equals != NULL ? equals + 1 : NULL;
        pair->value_length = equals != NULL ? (size_t)(to - equals - 1) : 0;
        return true;
    }
    return false;
}

size_t query_count(const char *text, size_t length, const char *separators)
{
    const char *end = text + length;
    size_t count = length > 0;

    if (length == 0)
        return 0;
    for (const char *at = part_end(text, end, separators); at < end; at = part_end(at + 1, end, separators))
        count++;
    return count;
}
