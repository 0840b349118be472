#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include <string.h>
#include <strings.h>

#include "multipart.h"

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static struct multipart_text trimmed(const char *from, const char *to)
{
    while (from < to && is_space(*from))
        from++;
    while (to > from && is_space(to[-1]))
        to--;
    return (struct multipart_text){ .text = from, .length = (size_t)(to - from) };
}

static bool is_named(struct multipart_text name, const char *wanted)
{
    return name.length == strlen(wanted) && strncasecmp(name.text, wanted, name.length) == 0;
}

/* Where a field ends: at a line break that no white space follows. */
static const char *field_end(const char *at, const char *end)
{
    while (at < end) {
        const char *line_end = memmem(at, (size_t)(end - at), "\r\n", 2);
        if (line_end == NULL || line_end + 2 == end)
            return line_end != NULL ? line_end : end;
        if (line_end[2] != ' ' && line_end[2] != '\t')
            return line_end;
        at = line_end + 2;
    }
    return end;
}

/* Behind the value of a parameter that begins at `at`. */
static const char *value_end(const char *at, const char *end)
{
    if (at < end && *at == '"') {
        for (at++; at < end && *at != '"'; at++)
            if (*at == '\\' && at + 1 < end)
                at++;
        return at < end ? at + 1 : end;
    }
    const char *semicolon = memchr(at, ';', (size_t)(end - at));
    return semicolon != NULL ? semicolon : end;
}

static void read_disposition(struct multipart_text field, struct multipart_head *head)
{
    const char *end = field.text + field.length;
    const char *at = memchr(field.text, ';', field.length);

    for (int count = 0; at != NULL && count < MULTIPART_PARAMETERS_MAX; count++) {
        const char *from = at + 1;
        at = from;
        while (at < end && *at != '=' && *at != ';')
            at++;
        if (at == end)
            return;
        if (*at == '=') {
            struct multipart_text name = trimmed(from, at);
            from = at + 1;
            while (from < end && is_space(*from))
                from++;
            at = value_end(from, end);
            struct multipart_text value = trimmed(from, at);
            if (is_named(name, "name"))
                head->name = value;
            else if (is_named(name, "filename"))
                head->filename = value;
            else if (is_named(name, "filename*"))
                head->extended_filename = value;
            at = memchr(at, ';', (size_t)(end - at));
        }
    }
}

void multipart_read_head(const char *text, size_t length, struct multipart_head *head)
{
    const char *end = text + length;
    bool disposed = false;

    *head = (struct multipart_head){ 0 };
    for (const char *at = text; at < end;) {
        const char *to = field_end(at, end);
        const char *colon = memchr(at, ':', (size_t)(to - at));
        if (colon != NULL) {
            struct multipart_text name = trimmed(at, colon), value = trimmed(colon + 1, to);
            if (is_named(name, "content-type") && head->content_type.text == NULL) {
                head->content_type = value;
            } else if (is_named(name, "content-id") && head->content_id.text == NULL) {
                head->content_id = value;
            } else if (is_named(name, "content-disposition") && !disposed) {
                disposed = true;
                if (value.length <= MULTIPART_DISPOSITION_MAX)
                    read_disposition(value, head);
            }
        }
        at = to + 2 < end ? to + 2 : end;
    }
}

size_t multipart_unquote(char *to, struct multipart_text value, bool is_path)
{
    const char *at = value.text, *end = at + value.length;
    bool quoted = at < end && *at == '"';
    char *out = to;

    for (at += quoted; at < end; at++) {
        if (*at == '\r' || *at == '\n')
            continue;
        if (quoted && *at == '"')
            break;
        if (quoted && *at == '\\' && at + 1 < end && (!is_path || at[1] == '"'))
            at++;
        *out++ = *at;
    }
    return (size_t)(out - to);
}

/* How many bytes of a character stand at `at`, and `whole`: whether they are all of it. */
static size_t character_length(const unsigned char *at, size_t left, bool *whole)
{
    unsigned char low = 0x80, high = 0xBF;
    size_t size;

    *whole = true;
    if (at[0] < 0x80)
        return 1;
    if (at[0] >= 0xC2 && at[0] <= 0xDF)
        size = 2;
    else if (at[0] >= 0xE0 && at[0] <= 0xEF)
        size = 3;
    else if (at[0] >= 0xF0 && at[0] <= 0xF4)
        size = 4;
    else
        size = 1, *whole = false;
    if (at[0] == 0xE0)
        low = 0xA0;
    else if (at[0] == 0xED)
        high = 0x9F;
    else if (at[0] == 0xF0)
        low = 0x90;
    else if (at[0] == 0xF4)
        high = 0x8F;
    for (size_t i = 1; i < size; i++) {
        if (i >= left || at[i] < low || at[i] > high) {
            *whole = false;
            return i;
        }
        low = 0x80, high = 0xBF;
    }
    return size;
}

size_t multipart_scrub(char *to, const char *text, size_t length)
{
    char *out = to;
    bool whole;

    for (size_t i = 0; i < length;) {
        size_t size = character_length((const unsigned char *)text + i, length - i, &whole);
        if (whole)
            memcpy(out, text + i, size);
        else
            memcpy(out, "\xEF\xBF\xBD", 3);
        out += whole ? size : 3;
        i += size;
    }
    return (size_t)(out - to);
}
