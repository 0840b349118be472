#include "fcgi_record.h"

#include "log.h"

#define VERSION 1
#define KEEP_CONNECTION 1
#define LENGTH_MAX UINT32_C(0x7fffffff)

struct fcgi_record_header fcgi_record_decode(const uint8_t bytes[FCGI_RECORD_HEADER_SIZE])
{
    return (struct fcgi_record_header){
        .version = bytes[0],
        .type = bytes[1],
        .request_id = (uint16_t)(bytes[2] << 8 | bytes[3]),
        .content_length = (uint16_t)(bytes[4] << 8 | bytes[5]),
        .padding_length = bytes[6],
    };
}

static void append_one(struct strbuf *out, uint8_t type, uint16_t request_id, const uint8_t *content, size_t length)
{
    uint8_t header[FCGI_RECORD_HEADER_SIZE] = {
        VERSION, type, (uint8_t)(request_id >> 8), (uint8_t)request_id, (uint8_t)(length >> 8), (uint8_t)length, 0, 0,
    };

    strbuf_append(out, header, sizeof header);
    strbuf_append(out, content, length);
}

void fcgi_record_append(struct strbuf *out, uint8_t type, uint16_t request_id, const void *content, size_t length)
{
    const uint8_t *bytes = content;

    while (length > FCGI_RECORD_CONTENT_MAX) {
        append_one(out, type, request_id, bytes, FCGI_RECORD_CONTENT_MAX);
        bytes += FCGI_RECORD_CONTENT_MAX;
        length -= FCGI_RECORD_CONTENT_MAX;
    }
    append_one(out, type, request_id, bytes, length);
}

void fcgi_record_append_begin(struct strbuf *out, uint16_t request_id, uint16_t role, int keep_connection)
{
    uint8_t content[8] = { (uint8_t)(role >> 8), (uint8_t)role, keep_connection ? KEEP_CONNECTION : 0 };

    append_one(out, FCGI_RECORD_BEGIN_REQUEST, request_id, content, sizeof content);
}

void fcgi_record_append_end(struct strbuf *out, uint16_t request_id, uint32_t app_status, uint8_t protocol_status)
{
    uint8_t content[8] = {
        (uint8_t)(app_status >> 24),
        (uint8_t)(app_status >> 16),
        (uint8_t)(app_status >> 8),
        (uint8_t)app_status,
        protocol_status,
    };

    append_one(out, FCGI_RECORD_END_REQUEST, request_id, content, sizeof content);
}

static void append_length(struct strbuf *content, size_t length)
{
    if (length > LENGTH_MAX)
        fatalx("a FastCGI pair can't hold %zu bytes", length);
    if (length < 0x80) {
        strbuf_fill(content, (char)length, 1);
    } else {
        uint8_t bytes[4] = {
            (uint8_t)(0x80 | length >> 24),
            (uint8_t)(length >> 16),
            (uint8_t)(length >> 8),
            (uint8_t)length,
        };
        strbuf_append(content, bytes, sizeof bytes);
    }
}

void fcgi_pair_append(struct strbuf *content, const char *name, size_t name_length, const char *value,
                      size_t value_length)
{
    append_length(content, name_length);
    append_length(content, value_length);
    strbuf_append(content, name, name_length);
    strbuf_append(content, value, value_length);
}

static int read_length(const uint8_t *content, size_t length, size_t *offset, size_t *result)
{
    const uint8_t *at = content + *offset;
    size_t left = length - *offset;

    if (left < 1)
        return -1;
    if (at[0] < 0x80) {
        *result = at[0];
        *offset += 1;
        return 0;
    }
    if (left < 4)
        return -1;
    *result = (size_t)(at[0] & 0x7f) << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
    *offset += 4;
    return 0;
}

int fcgi_pair_next(const uint8_t *content, size_t length, size_t *offset, struct fcgi_pair *pair)
{
    size_t at = *offset, name_length, value_length;

    if (at >= length)
        return 0;
    if (read_length(content, length, &at, &name_length) == -1 || read_length(content, length, &at, &value_length) == -1)
        return -1;
    /* Compared one by one: the sum of two lengths could overflow. */
    if (name_length > length - at || value_length > length - at - name_length)
        return -1;
    *pair = (struct fcgi_pair){
        .name = content + at,
        .name_length = name_length,
        .value = content + at + name_length,
        .value_length = value_length,
    };
    *offset = at + name_length + value_length;
    return 1;
}
