/*
 * A writer of JSON (RFC 8259) into a strbuf. Commas and, when `pretty`, line breaks and two-space indentation are put
 * in by the writer; the caller keeps begin and end calls balanced. Strings are written as UTF-8; bytes that are not
 * valid UTF-8 become U+FFFD, so that the output is always valid.
 */
#ifndef COWHERD_JSON_H
#define COWHERD_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "strbuf.h"

#define JSON_DEPTH_MAX 32

struct json_writer {
    struct strbuf *out;
    bool pretty;
    unsigned depth;
    bool has_member[JSON_DEPTH_MAX];
    bool after_key;
};

void json_begin_object(struct json_writer *writer);
void json_end_object(struct json_writer *writer);
void json_begin_array(struct json_writer *writer);
void json_end_array(struct json_writer *writer);
void json_key(struct json_writer *writer, const char *key);
void json_string(struct json_writer *writer, const char *string); /* NULL writes null */
void json_string_n(struct json_writer *writer, const char *string, size_t length);
void json_integer(struct json_writer *writer, int64_t value);
void json_number(struct json_writer *writer, double value); /* not finite: null */
void json_boolean(struct json_writer *writer, bool value);
void json_null(struct json_writer *writer);

/* key and value in one call */
void json_key_string(struct json_writer *writer, const char *key, const char *string);
void json_key_integer(struct json_writer *writer, const char *key, int64_t value);
void json_key_number(struct json_writer *writer, const char *key, double value);

/* Appends `string` as a JSON string with its quotes, without a writer. */
void json_escape(struct strbuf *out, const char *string, size_t length);

#endif
