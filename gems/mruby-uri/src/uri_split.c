#include "uri_split.h"

#include <string.h>

static bool is_alpha(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_hex(char byte)
{
    return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

/* Unreserved characters, escapes, and those in `more`. */
static bool consists_of(struct uri_part part, const char *more)
{
    for (size_t i = 0; i < part.length; i++) {
        char byte = part.text[i];
        if (byte == '%') {
            if (part.length - i < 3 || !is_hex(part.text[i + 1]) || !is_hex(part.text[i + 2]))
                return false;
        } else if (!is_alpha(byte) && !is_digit(byte) &&
                   (byte == '\0' || (strchr("-._~", byte) == NULL && strchr(more, byte) == NULL))) {
            return false;
        }
    }
    return true;
}

#define SUB_DELIMS "!$&'()*+,;="
#define PATH SUB_DELIMS ":@/"
#define QUERY PATH "?"

static struct uri_part part_of(const char *from, const char *to)
{
    return (struct uri_part){ .text = from, .length = (size_t)(to - from) };
}

static const char *find(const char *from, const char *to, char byte)
{
    return from < to ? memchr(from, byte, (size_t)(to - from)) : NULL;
}

static bool split_authority(const char *from, const char *to, struct uri_parts *parts)
{
    const char *at = find(from, to, '@');

    if (at != NULL) {
        parts->userinfo = part_of(from, at);
        if (!consists_of(parts->userinfo, SUB_DELIMS ":"))
            return false;
        from = at + 1;
    }
    const char *end = from;
    if (from < to && *from == '[') {
        end = find(from, to, ']');
        if (end == NULL || end == from + 1)
            return false;
        if (!consists_of(part_of(from + 1, end), SUB_DELIMS ":"))
            return false;
        end++;
        if (end < to && *end != ':')
            return false;
    } else {
        end = find(from, to, ':');
        if (end == NULL)
            end = to;
        if (!consists_of(part_of(from, end), SUB_DELIMS))
            return false;
    }
    parts->host = part_of(from, end);
    if (end < to) {
        for (const char *digit = end + 1; digit < to; digit++)
            if (!is_digit(*digit))
                return false;
        if (to - end > 6)
            return false;
        if (to - end > 1)
            parts->port = part_of(end + 1, to);
    }
    return true;
}

/* The ':' behind a scheme, or NULL. */
static const char *scheme_end(const char *from, const char *to)
{
    const char *at = from;

    if (at == to || !is_alpha(*at))
        return NULL;
    while (at < to && (is_alpha(*at) || is_digit(*at) || *at == '+' || *at == '-' || *at == '.'))
        at++;
    return at < to && *at == ':' ? at : NULL;
}

bool uri_split(const char *text, size_t length, struct uri_parts *parts)
{
    const char *at = text, *end = text + length;

    memset(parts, 0, sizeof *parts);
    const char *mark = find(at, end, '#');
    if (mark != NULL) {
        parts->fragment = part_of(mark + 1, end);
        if (!consists_of(parts->fragment, QUERY))
            return false;
        end = mark;
    }
    const char *colon = scheme_end(at, end);
    if (colon != NULL) {
        parts->scheme = part_of(at, colon);
        at = colon + 1;
        if (at == end)
            return false;
        if (*at != '/' && *at != '?') {
            parts->opaque = part_of(at, end);
            return consists_of(parts->opaque, QUERY);
        }
    }
    mark = find(at, end, '?');
    if (mark != NULL) {
        parts->query = part_of(mark + 1, end);
        if (!consists_of(parts->query, QUERY "[]"))
            return false;
        end = mark;
    }
    if (end - at >= 2 && at[0] == '/' && at[1] == '/') {
        const char *slash = find(at + 2, end, '/');
        if (slash == NULL)
            slash = end;
        if (!split_authority(at + 2, slash, parts))
            return false;
        at = slash;
    }
    parts->path = part_of(at, end);
    /* A first segment with a colon would be a scheme. */
    if (colon == NULL && parts->host.text == NULL) {
        const char *slash = find(at, end, '/');
        if (find(at, slash != NULL ? slash : end, ':') != NULL)
            return false;
    }
    return consists_of(parts->path, PATH);
}
