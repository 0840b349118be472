#include "gate.h"

#include <stdio.h>
#include <string.h>

#include "fcgi_record.h"

#define VERSION 1
#define BEGIN_CONTENT 8
#define KEEP_CONNECTION 1
#define DIGITS_MAX 18 /* of a CONTENT_LENGTH that is taken for one */

static enum gate_verdict malformed(struct gate_result *result, const char *reason)
{
    result->reason = reason;
    return GATE_MALFORMED;
}

static size_t record_length(const struct fcgi_record_header *header)
{
    return FCGI_RECORD_HEADER_SIZE + (size_t)header->content_length + header->padding_length;
}

/* Names and values, which may straddle records */

struct pair_cursor {
    const uint8_t *record;  /* the next PARAMS record; the list ends with an empty one */
    const uint8_t *content; /* unread content of the record before it */
    size_t left;
};

/* false at the end of the list. */
static bool cursor_fill(struct pair_cursor *cursor)
{
    while (cursor->left == 0) {
        struct fcgi_record_header header = fcgi_record_decode(cursor->record);
        if (header.content_length == 0)
            return false;
        cursor->content = cursor->record + FCGI_RECORD_HEADER_SIZE;
        cursor->left = header.content_length;
        cursor->record += record_length(&header);
    }
    return true;
}

static bool cursor_byte(struct pair_cursor *cursor, uint8_t *byte)
{
    if (!cursor_fill(cursor))
        return false;
    *byte = *cursor->content++;
    cursor->left--;
    return true;
}

static bool cursor_length(struct pair_cursor *cursor, size_t *length)
{
    uint8_t byte;

    if (!cursor_byte(cursor, &byte))
        return false;
    *length = byte & 0x7f;
    if (byte & 0x80)
        for (int i = 0; i < 3; i++) {
            if (!cursor_byte(cursor, &byte))
                return false;
            *length = *length << 8 | byte;
        }
    return true;
}

/* Passes over `length` bytes; keeps them in `text` (with a NUL) unless that is NULL. */
static const char *cursor_text(struct pair_cursor *cursor, size_t length, bool is_name, char *text)
{
    while (length > 0) {
        if (!cursor_fill(cursor))
            return "a parameter is longer than the list it stands in";

        size_t piece = length < cursor->left ? length : cursor->left;
        if (memchr(cursor->content, '\0', piece) != NULL)
            return is_name ? "a NUL in a parameter's name" : "a NUL in a parameter's value";
        if (is_name && memchr(cursor->content, '=', piece) != NULL)
            return "a \"=\" in a parameter's name";
        if (text != NULL)
            text = mempcpy(text, cursor->content, piece);
        cursor->content += piece;
        cursor->left -= piece;
        length -= piece;
    }
    if (text != NULL)
        *text = '\0';
    return NULL;
}

/* The announced length, -1 when the text is no number (caddy sends "-1" for a chunked body). */
static int64_t announced_length(const char *text)
{
    int64_t length = 0;

    if (text[0] == '\0')
        return -1;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        length = length * 10 + (*text - '0');
    }
    return length;
}

static const char content_length_name[] = "CONTENT_LENGTH";

/*
 * The usual pair: short, in one piece, nothing wrong with it, and of no interest. Passes over it; false when it has to
 * be looked at more closely.
 */
static bool cursor_short_pair(struct pair_cursor *cursor)
{
    const uint8_t *content = cursor->content;
    size_t name_length, value_length, whole;

    if (cursor->left < 2 || ((content[0] | content[1]) & 0x80) != 0)
        return false;
    name_length = content[0];
    value_length = content[1];
    whole = 2 + name_length + value_length;
    content += 2;
    if (whole > cursor->left || memchr(content, '\0', whole - 2) != NULL || memchr(content, '=', name_length) != NULL)
        return false;
    if (name_length == sizeof content_length_name - 1 && memcmp(content, content_length_name, name_length) == 0)
        return false;
    cursor->content += whole;
    cursor->left -= whole;
    return true;
}

/* NULL, or what is wrong with the list whose first record is at `records`. */
static const char *check_params(const uint8_t *records, int64_t *content_length)
{
    struct pair_cursor cursor = { .record = records };
    char name[sizeof content_length_name] = "", value[DIGITS_MAX + 1] = "";

    while (cursor_fill(&cursor)) {
        size_t name_length, value_length;

        if (cursor_short_pair(&cursor))
            continue;
        if (!cursor_length(&cursor, &name_length) || !cursor_length(&cursor, &value_length))
            return "the list of parameters ends inside a length";

        bool compare = name_length == sizeof content_length_name - 1;
        const char *wrong = cursor_text(&cursor, name_length, true, compare ? name : NULL);
        if (wrong != NULL)
            return wrong;

        bool keep = compare && value_length <= DIGITS_MAX && memcmp(name, content_length_name, name_length) == 0;
        wrong = cursor_text(&cursor, value_length, false, keep ? value : NULL);
        if (wrong != NULL)
            return wrong;
        if (keep)
            *content_length = announced_length(value);
    }
    return NULL;
}

/* The records of a request */

static enum gate_verdict refuse(struct gate_result *result, uint16_t request_id, uint8_t status, size_t consumed,
                                bool close)
{
    result->request_id = request_id;
    result->protocol_status = status;
    result->consumed = consumed;
    result->close = close;
    return GATE_REFUSED;
}

/*
 * Looks at the record at `offset`, which has to be of `type`. READY: it is, and all of it is there. The caller has
 * seen to it that its header is.
 */
static enum gate_verdict check_record(const uint8_t *bytes, size_t length, size_t offset, uint8_t type,
                                      struct fcgi_record_header *header, struct gate_result *result)
{
    *header = fcgi_record_decode(bytes + offset);
    if (header->version != VERSION)
        return malformed(result, "an unknown version of the protocol");
    if (header->request_id != result->request_id) {
        if (header->type == FCGI_RECORD_BEGIN_REQUEST && header->request_id != 0)
            return refuse(result, header->request_id, FCGI_STATUS_CANT_MULTIPLEX, length, true);
        return malformed(result, "a record of another request inside a request");
    }

    bool whole = length - offset >= record_length(header);
    if (header->type == FCGI_RECORD_ABORT_REQUEST) {
        if (!whole)
            return GATE_PARTIAL;
        return refuse(result, header->request_id, FCGI_STATUS_REQUEST_COMPLETE, offset + record_length(header), false);
    }
    if (header->type != type)
        return malformed(result, "a record of an unexpected type");
    return whole ? GATE_READY : GATE_PARTIAL;
}

static bool has_header(size_t length, size_t offset)
{
    return length >= offset && length - offset >= FCGI_RECORD_HEADER_SIZE;
}

/* Waits for the whole body when it is a small one. */
static enum gate_verdict inspect_body(const uint8_t *bytes, size_t length, int64_t announced,
                                      const struct gate_limits *limits, struct gate_result *result)
{
    size_t offset = result->head_length;
    size_t needed; /* where the record ends that is not all here */

    for (;;) {
        struct fcgi_record_header header;

        needed = offset + FCGI_RECORD_HEADER_SIZE;
        if (!has_header(length, offset))
            break;

        enum gate_verdict verdict = check_record(bytes, length, offset, FCGI_RECORD_STDIN, &header, result);
        needed = offset + record_length(&header);
        if (verdict == GATE_PARTIAL)
            break;
        if (verdict != GATE_READY)
            return verdict;
        offset = needed;
        if (header.content_length == 0) {
            result->body_complete = true;
            result->request_length = offset;
            return GATE_READY;
        }
        result->body_length += header.content_length;
    }
    result->body_length = 0;
    if (limits->small_body == 0 || needed - result->head_length > limits->small_body ||
        (announced > 0 && (uint64_t)announced > limits->small_body))
        return GATE_READY;
    return GATE_PARTIAL;
}

static enum gate_verdict inspect_request(const uint8_t *bytes, size_t length, const struct gate_limits *limits,
                                         struct gate_result *result)
{
    struct fcgi_record_header header = fcgi_record_decode(bytes);
    size_t params = record_length(&header);
    size_t offset = params;

    if (header.request_id == 0 || header.content_length != BEGIN_CONTENT)
        return malformed(result, "a BEGIN_REQUEST that is none");
    if (length < params)
        return params > limits->head ? GATE_TOO_LARGE : GATE_PARTIAL;
    result->request_id = header.request_id;
    result->role = (uint16_t)(bytes[8] << 8 | bytes[9]);
    result->keep_connection = (bytes[10] & KEEP_CONNECTION) != 0;

    do {
        if (offset + FCGI_RECORD_HEADER_SIZE > limits->head)
            return GATE_TOO_LARGE;
        if (!has_header(length, offset))
            return GATE_PARTIAL;

        enum gate_verdict verdict = check_record(bytes, length, offset, FCGI_RECORD_PARAMS, &header, result);
        if ((verdict == GATE_READY || verdict == GATE_PARTIAL) && offset + record_length(&header) > limits->head)
            return GATE_TOO_LARGE;
        if (verdict != GATE_READY)
            return verdict;
        offset += record_length(&header);
    } while (header.content_length > 0);

    int64_t announced = -1;
    const char *wrong = check_params(bytes + params, &announced);
    if (wrong != NULL)
        return malformed(result, wrong);
    if (result->role != FCGI_ROLE_RESPONDER && result->role != FCGI_ROLE_AUTHORIZER)
        return refuse(result, result->request_id, FCGI_STATUS_UNKNOWN_ROLE, length, true);

    result->head_length = offset;
    if (result->role == FCGI_ROLE_AUTHORIZER) { /* comes without STDIN, or with an empty one, which is stale then */
        result->body_complete = true;
        result->request_length = offset;
        return GATE_READY;
    }
    return inspect_body(bytes, length, announced, limits, result);
}

/* A record that does not begin a request. */
static enum gate_verdict inspect_other(const struct fcgi_record_header *header, size_t length,
                                       const struct gate_limits *limits, struct gate_result *result)
{
    size_t whole = record_length(header);
    bool management = header->request_id == 0;
    bool stale =
        header->type == FCGI_RECORD_ABORT_REQUEST ||
        ((header->type == FCGI_RECORD_STDIN || header->type == FCGI_RECORD_DATA) && header->content_length == 0);

    if (management ? header->type < FCGI_RECORD_GET_VALUES : !stale)
        return malformed(result, "a record outside of any request");
    if (whole > limits->head)
        return GATE_TOO_LARGE;
    if (length < whole)
        return GATE_PARTIAL;
    result->consumed = whole;
    result->type = header->type;
    return management ? GATE_MANAGEMENT : GATE_STALE;
}

enum gate_verdict gate_inspect(const uint8_t *bytes, size_t length, const struct gate_limits *limits,
                               struct gate_result *result)
{
    *result = (struct gate_result){ 0 };
    if (length > 0 && bytes[0] != VERSION)
        return malformed(result, "an unknown version of the protocol");
    if (length < FCGI_RECORD_HEADER_SIZE)
        return GATE_PARTIAL;

    struct fcgi_record_header header = fcgi_record_decode(bytes);
    if (header.type == FCGI_RECORD_BEGIN_REQUEST)
        return inspect_request(bytes, length, limits, result);
    return inspect_other(&header, length, limits, result);
}

/* Answers */

/* Each variable once, however often it was asked for; names that we don't know are left out (specification, 4.1). */
static void answer_values(const uint8_t *bytes, unsigned connections, struct strbuf *out)
{
    static const char *const names[] = { "FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS" };
    struct fcgi_record_header header = fcgi_record_decode(bytes);
    struct fcgi_pair pair;
    size_t offset = 0;
    bool asked[3] = { false };
    struct strbuf content = { 0 };
    char number[16];

    snprintf(number, sizeof number, "%u", connections);
    while (fcgi_pair_next(bytes + FCGI_RECORD_HEADER_SIZE, header.content_length, &offset, &pair) == 1)
        for (int i = 0; i < 3; i++)
            if (pair.name_length == strlen(names[i]) && memcmp(pair.name, names[i], pair.name_length) == 0)
                asked[i] = true;
    for (int i = 0; i < 3; i++) {
        const char *value = i == 2 ? "0" : number;
        if (asked[i])
            fcgi_pair_append(&content, names[i], strlen(names[i]), value, strlen(value));
    }
    fcgi_record_append(out, FCGI_RECORD_GET_VALUES_RESULT, 0, content.data, content.length);
    strbuf_free(&content);
}

void gate_answer(const uint8_t *bytes, enum gate_verdict verdict, const struct gate_result *result,
                 unsigned connections, struct strbuf *out)
{
    if (verdict == GATE_REFUSED) {
        fcgi_record_append_end(out, result->request_id, 0, result->protocol_status);
    } else if (result->type == FCGI_RECORD_GET_VALUES) {
        answer_values(bytes, connections, out);
    } else {
        uint8_t content[8] = { result->type };
        fcgi_record_append(out, FCGI_RECORD_UNKNOWN_TYPE, 0, content, sizeof content);
    }
}
