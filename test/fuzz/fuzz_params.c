/*
 * libFuzzer: any bytes as the content of PARAMS, cut into records where the input says. The gate passes what an
 * independent reading of the specification finds well-formed, and nothing else; what it has passed is decoded to
 * exactly these names and values, however the records are cut.
 */
#include "fcgi_record.h"
#include "gate.h"
#include "params.h"
#include "require.h"

#define HEAD_MAX ((size_t)1 << 20)

/* Appends the content in records of up to `piece` bytes with `padding`. */
static void append_params(struct strbuf *head, const uint8_t *content, size_t length, size_t piece, uint8_t padding)
{
    static const char zeroes[255];

    for (size_t at = 0; at < length;) {
        size_t count = length - at < piece ? length - at : piece;
        uint8_t header[8] = { 1, FCGI_RECORD_PARAMS, 0, 1, (uint8_t)(count >> 8), (uint8_t)count, padding };
        strbuf_append(head, header, sizeof header);
        strbuf_append(head, content + at, count);
        strbuf_append(head, zeroes, padding);
        at += count;
    }
    fcgi_record_append(head, FCGI_RECORD_PARAMS, 1, "", 0);
}

static bool read_length(const uint8_t *content, size_t size, size_t *at, size_t *length)
{
    if (*at >= size)
        return false;
    *length = content[(*at)++];
    if (*length < 128)
        return true;
    if (size - *at < 3)
        return false;
    *length = (*length & 127) << 24 | (size_t)content[*at] << 16 | (size_t)content[*at + 1] << 8 | content[*at + 2];
    *at += 3;
    return true;
}

/* The next pair, as the specification has it (3.4); false: none, or a malformed one. */
static bool next_pair(const uint8_t *content, size_t size, size_t *at, struct fcgi_pair *pair)
{
    if (!read_length(content, size, at, &pair->name_length) || !read_length(content, size, at, &pair->value_length))
        return false;
    if (size - *at < pair->name_length || size - *at - pair->name_length < pair->value_length)
        return false;
    pair->name = content + *at;
    pair->value = pair->name + pair->name_length;
    *at += pair->name_length + pair->value_length;
    return true;
}

static bool is_acceptable(const uint8_t *content, size_t size)
{
    struct fcgi_pair pair;

    for (size_t at = 0; at < size;)
        if (!next_pair(content, size, &at, &pair) || memchr(pair.name, '\0', pair.name_length) != NULL ||
            memchr(pair.name, '=', pair.name_length) != NULL || memchr(pair.value, '\0', pair.value_length) != NULL)
            return false;
    return true;
}

static void check_decoded(char **decoded, const uint8_t *content, size_t size)
{
    struct fcgi_pair pair;

    for (size_t at = 0; at < size; decoded++) {
        require(next_pair(content, size, &at, &pair));
        require(*decoded != NULL && strlen(*decoded) == pair.name_length + 1 + pair.value_length);
        require(memcmp(*decoded, pair.name, pair.name_length) == 0 && (*decoded)[pair.name_length] == '=');
        require(memcmp(*decoded + pair.name_length + 1, pair.value, pair.value_length) == 0);
    }
    require(*decoded != NULL && strcmp(*decoded, "MORE=1") == 0 && decoded[1] == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct gate_limits limits = { .head = HEAD_MAX };
    char *const more[] = { (char[]){ "MORE=1" }, NULL };
    struct strbuf head = { 0 };
    struct gate_result gate;

    if (size < 2)
        return 0;
    fcgi_record_append_begin(&head, 1, FCGI_ROLE_RESPONDER, 0);
    append_params(&head, data + 2, size - 2, data[0] ? data[0] : FCGI_RECORD_CONTENT_MAX, data[1]);
    if (head.length <= limits.head) {
        enum gate_verdict verdict = gate_inspect((const uint8_t *)head.data, head.length, &limits, &gate);
        require(verdict == (is_acceptable(data + 2, size - 2) ? GATE_READY : GATE_MALFORMED));
        if (verdict == GATE_READY)
            check_decoded(params_decode((const uint8_t *)head.data, gate.head_length, more), data + 2, size - 2);
    }
    strbuf_free(&head);
    return 0;
}
