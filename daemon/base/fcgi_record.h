/*
 * FastCGI 1.0 records, encoded and decoded: for the `request` command, the fallback and answers given in a worker's
 * stead. Pure: no I/O. (The workers' own requests go through libfcgi.) Specification:
 * https://fastcgi-archives.github.io/FastCGI_Specification.html
 */
#ifndef COWHERD_FCGI_RECORD_H
#define COWHERD_FCGI_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "strbuf.h"

#define FCGI_RECORD_HEADER_SIZE 8
#define FCGI_RECORD_CONTENT_MAX 65535

enum fcgi_record_type {
    FCGI_RECORD_BEGIN_REQUEST = 1,
    FCGI_RECORD_ABORT_REQUEST = 2,
    FCGI_RECORD_END_REQUEST = 3,
    FCGI_RECORD_PARAMS = 4,
    FCGI_RECORD_STDIN = 5,
    FCGI_RECORD_STDOUT = 6,
    FCGI_RECORD_STDERR = 7,
    FCGI_RECORD_DATA = 8,
    FCGI_RECORD_GET_VALUES = 9,
    FCGI_RECORD_GET_VALUES_RESULT = 10,
    FCGI_RECORD_UNKNOWN_TYPE = 11,
};

enum fcgi_record_role { FCGI_ROLE_RESPONDER = 1, FCGI_ROLE_AUTHORIZER = 2, FCGI_ROLE_FILTER = 3 };

enum fcgi_record_protocol_status {
    FCGI_STATUS_REQUEST_COMPLETE = 0,
    FCGI_STATUS_CANT_MULTIPLEX = 1,
    FCGI_STATUS_OVERLOADED = 2,
    FCGI_STATUS_UNKNOWN_ROLE = 3,
};

struct fcgi_record_header {
    uint8_t version;
    uint8_t type;
    uint16_t request_id;
    uint16_t content_length;
    uint8_t padding_length;
};

/* Decodes the eight bytes at `bytes`. */
struct fcgi_record_header fcgi_record_decode(const uint8_t bytes[FCGI_RECORD_HEADER_SIZE]);

/* Appends records; content longer than one record is split; an empty `content` makes the empty (closing) record. */
void fcgi_record_append(struct strbuf *out, uint8_t type, uint16_t request_id, const void *content, size_t length);
void fcgi_record_append_begin(struct strbuf *out, uint16_t request_id, uint16_t role, int keep_connection);
void fcgi_record_append_end(struct strbuf *out, uint16_t request_id, uint32_t app_status, uint8_t protocol_status);

/* Appends one name/value pair (to the content of a PARAMS or GET_VALUES record). */
void fcgi_pair_append(struct strbuf *content, const char *name, size_t name_length, const char *value,
                      size_t value_length);

/* Reads the next pair from [*offset, length); 1: read, *offset moved; 0: at the end; -1: malformed. Never overflows. */
struct fcgi_pair {
    const uint8_t *name;
    size_t name_length;
    const uint8_t *value;
    size_t value_length;
};
int fcgi_pair_next(const uint8_t *content, size_t length, size_t *offset, struct fcgi_pair *pair);

#endif
