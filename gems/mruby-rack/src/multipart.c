#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include "multipart.h"

#include <string.h>

bool multipart_begin(struct multipart *multipart, const char *boundary, size_t length)
{
    if (length == 0 || length > MULTIPART_BOUNDARY_MAX)
        return false;
    *multipart = (struct multipart){ .delimiter = "\r\n--", .delimiter_length = 4 + length, .fresh = true };
    memcpy(multipart->delimiter + 4, boundary, length);
    return true;
}

static bool starts_with(const char *window, size_t length, const char *text, size_t text_length)
{
    return length >= text_length && memcmp(window, text, text_length) == 0;
}

/* What stands behind a delimiter: a line break or two dashes. */
static bool is_tail(const char *tail)
{
    return (tail[0] == '\r' && tail[1] == '\n') || (tail[0] == '-' && tail[1] == '-');
}

/* Where the next delimiter begins, or might when more has come. `skip`: its length with its tail; 0: it isn't all
 * there. */
static size_t find_delimiter(const struct multipart *multipart, const char *window, size_t length, size_t *skip)
{
    size_t size = multipart->delimiter_length;

    *skip = 0;
    if (multipart->fresh) {
        const char *bare = multipart->delimiter + 2;
        if (length < size) {
            if (memcmp(window, bare, length < size - 2 ? length : size - 2) == 0)
                return 0;
        } else if (starts_with(window, length, bare, size - 2) && is_tail(window + size - 2)) {
            *skip = size;
            return 0;
        }
    }
    const char *at = window, *end = window + length;
    while ((at = memmem(at, (size_t)(end - at), multipart->delimiter, size)) != NULL) {
        if ((size_t)(end - at) < size + 2)
            return (size_t)(at - window);
        if (is_tail(at + size)) {
            *skip = size + 2;
            return (size_t)(at - window);
        }
        at++;
    }
    /* One that has begun in the last bytes. */
    size_t begun = length < size ? 0 : length - (size - 1);
    while (begun < length && memcmp(window + begun, multipart->delimiter, length - begun) != 0)
        begun++;
    return begun;
}

static enum multipart_event next_in_preamble(struct multipart *multipart, const char *window, size_t length,
                                             size_t *consumed)
{
    size_t skip;
    size_t at = find_delimiter(multipart, window, length, &skip);

    multipart->preamble += at;
    if (multipart->preamble > MULTIPART_PREAMBLE_MAX)
        return MULTIPART_NO_BOUNDARY;
    *consumed = at + skip;
    if (at > 0)
        multipart->fresh = false;
    if (skip == 0)
        return MULTIPART_MORE;
    bool last = window[at + skip - 1] == '-';
    multipart->place = last ? MULTIPART_BEHIND : MULTIPART_IN_HEAD;
    return last ? MULTIPART_DONE : MULTIPART_MORE;
}

static enum multipart_event next_in_head(struct multipart *multipart, const char *window, size_t length,
                                         size_t *consumed, struct multipart_text *piece)
{
    if (starts_with(window, length, "\r\n", 2)) {
        *piece = (struct multipart_text){ .text = window };
        *consumed = 2;
    } else {
        const char *end = memmem(window, length, "\r\n\r\n", 4);
        if ((end != NULL ? (size_t)(end - window) : length) > MULTIPART_HEAD_MAX)
            return MULTIPART_HEAD_TOO_LONG;
        if (end == NULL)
            return MULTIPART_MORE;
        *piece = (struct multipart_text){ .text = window, .length = (size_t)(end - window) + 2 };
        *consumed = piece->length + 2;
    }
    multipart->place = MULTIPART_IN_PART;
    multipart->fresh = true;
    return MULTIPART_HEAD;
}

static enum multipart_event next_in_part(struct multipart *multipart, const char *window, size_t length,
                                         size_t *consumed, struct multipart_text *piece)
{
    size_t skip;
    size_t at = find_delimiter(multipart, window, length, &skip);

    if (at > 0) {
        multipart->fresh = false;
        *piece = (struct multipart_text){ .text = window, .length = at };
        *consumed = at;
        return MULTIPART_DATA;
    }
    if (skip == 0)
        return MULTIPART_MORE;
    multipart->place = window[skip - 1] == '-' ? MULTIPART_BEHIND : MULTIPART_IN_HEAD;
    *consumed = skip;
    return MULTIPART_END;
}

enum multipart_event multipart_next(struct multipart *multipart, const char *window, size_t length, size_t *consumed,
                                    struct multipart_text *piece)
{
    *piece = (struct multipart_text){ 0 };
    *consumed = 0;
    if (multipart->place == MULTIPART_IN_PREAMBLE) {
        size_t before = 0;
        enum multipart_event event = next_in_preamble(multipart, window, length, &before);
        *consumed = before;
        if (event != MULTIPART_MORE || multipart->place == MULTIPART_IN_PREAMBLE)
            return event;
        size_t head = 0;
        event = next_in_head(multipart, window + before, length - before, &head, piece);
        *consumed = before + head;
        return event;
    }
    switch (multipart->place) {
    case MULTIPART_IN_HEAD: return next_in_head(multipart, window, length, consumed, piece);
    case MULTIPART_IN_PART: return next_in_part(multipart, window, length, consumed, piece);
    default: return MULTIPART_DONE;
    }
}
