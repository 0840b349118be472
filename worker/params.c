#include "params.h"

#include <string.h>

#include "fcgi_record.h"
#include "xalloc.h"

static uint8_t *content; /* of all PARAMS records, one behind the other */
static size_t content_size;
static char *text; /* the strings; none is longer than its pair with the two lengths */
static size_t text_size;
static char **list;
static size_t list_size;

static void *grow(void *memory, size_t *size, size_t wanted, size_t item)
{
    if (wanted <= *size)
        return memory;
    *size = wanted + wanted / 2;
    return xreallocarray(memory, *size, item);
}

/* Finds the content where it is when it is one record, as it nearly always is; else joins it. */
static const uint8_t *join(const uint8_t *head, size_t length, size_t *content_length)
{
    const uint8_t *single = NULL;
    size_t joined = 0;

    for (size_t at = 0; at + FCGI_RECORD_HEADER_SIZE <= length;) {
        struct fcgi_record_header header = fcgi_record_decode(head + at);
        const uint8_t *bytes = head + at + FCGI_RECORD_HEADER_SIZE;
        at += FCGI_RECORD_HEADER_SIZE + (size_t)header.content_length + header.padding_length;
        if (header.type != FCGI_RECORD_PARAMS || header.content_length == 0 || at > length)
            continue;
        if (single == NULL && joined == 0) {
            single = bytes;
            joined = header.content_length;
            continue;
        }
        content = grow(content, &content_size, joined + header.content_length, 1);
        if (single != NULL)
            memcpy(content, single, joined);
        single = NULL;
        memcpy(content + joined, bytes, header.content_length);
        joined += header.content_length;
    }
    *content_length = joined;
    return single != NULL ? single : content;
}

static char *put(char *to, const struct fcgi_pair *pair)
{
    memcpy(to, pair->name, pair->name_length);
    to += pair->name_length;
    *to++ = '=';
    memcpy(to, pair->value, pair->value_length);
    to += pair->value_length;
    *to++ = '\0';
    return to;
}

char **params_decode(const uint8_t *head, size_t length, char *const *more)
{
    size_t content_length, offset = 0, count = 0;
    const uint8_t *pairs = join(head, length, &content_length);
    struct fcgi_pair pair;

    text = grow(text, &text_size, content_length + 1, 1);
    char *to = text;
    while (fcgi_pair_next(pairs, content_length, &offset, &pair) == 1) {
        list = grow(list, &list_size, count + 1, sizeof *list);
        list[count++] = to;
        to = put(to, &pair);
    }
    for (; *more != NULL; more++) {
        list = grow(list, &list_size, count + 1, sizeof *list);
        list[count++] = *more;
    }
    list = grow(list, &list_size, count + 1, sizeof *list);
    list[count] = NULL;
    return list;
}
