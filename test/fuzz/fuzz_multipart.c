/* libFuzzer: any bytes as a body in parts. However it is cut, the same events come with the same text; the heads are
 * read within their bounds. The first byte says where to cut. */
#include <stdlib.h>
#include <string.h>

#include "multipart.h"
#include "require.h"

struct story {
    char *text; /* every event as a byte, and its text; pieces of data are joined */
    size_t length;
    bool in_data;
};

static void tell(struct story *story, enum multipart_event event, struct multipart_text piece)
{
    if (event != MULTIPART_DATA || !story->in_data)
        story->text[story->length++] = (char)('0' + event);
    story->in_data = event == MULTIPART_DATA;
    if (piece.length > 0)
        memcpy(story->text + story->length, piece.text, piece.length);
    story->length += piece.length;
}

static void check_slice(const char *text, size_t size, struct multipart_text slice)
{
    char *plain = malloc(size + 1);

    require(plain != NULL);
    if (slice.text != NULL) {
        require(slice.text >= text && slice.length <= size && slice.text + slice.length <= text + size);
        require(multipart_unquote(plain, slice, false) <= slice.length);
        require(multipart_unquote(plain, slice, true) <= slice.length);
    }
    free(plain);
}

static void check_head(const char *text, size_t size)
{
    struct multipart_head head;
    char *scrubbed = malloc(size * 9 + 1);

    multipart_read_head(text, size, &head);
    check_slice(text, size, head.content_type);
    check_slice(text, size, head.content_id);
    check_slice(text, size, head.name);
    check_slice(text, size, head.filename);
    check_slice(text, size, head.extended_filename);
    require(scrubbed != NULL);
    size_t length = multipart_scrub(scrubbed, text, size);
    require(length <= size * 3);
    /* What is clean stays so. */
    require(multipart_scrub(scrubbed + length, scrubbed, length) == length);
    require(memcmp(scrubbed, scrubbed + length, length) == 0);
    free(scrubbed);
}

static struct story run(const char *text, size_t size, size_t step)
{
    struct story story = { .text = malloc(size * 2 + 16) };
    struct multipart multipart;
    size_t from = 0, consumed;
    struct multipart_text piece;

    require(story.text != NULL && multipart_begin(&multipart, "b", 1));
    for (size_t to = step < size ? step : size;; to = to + step < size ? to + step : size) {
        enum multipart_event event;
        while ((event = multipart_next(&multipart, text + from, to - from, &consumed, &piece)) != MULTIPART_MORE) {
            require(consumed <= to - from);
            tell(&story, event, piece);
            if (event == MULTIPART_HEAD)
                check_head(piece.text, piece.length);
            if (event >= MULTIPART_DONE)
                return story;
            require(consumed > 0);
            from += consumed;
        }
        require(consumed <= to - from);
        from += consumed;
        if (to == size)
            return story;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *text = (const char *)data + 1;
    struct story whole = run(text, size - 1, size), cut = run(text, size - 1, data[0] % 16 + 1);
    require(whole.length == cut.length && memcmp(whole.text, cut.text, whole.length) == 0);
    free(whole.text);
    free(cut.text);
    check_head(text, size - 1);
    return 0;
}
