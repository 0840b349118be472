#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

static void line_break(struct json_writer *writer)
{
    if (writer->pretty) {
        strbuf_puts(writer->out, "\n");
        strbuf_fill(writer->out, ' ', (size_t)writer->depth * 2);
    }
}

/* What goes between the last thing and the next value or key. */
static void separate(struct json_writer *writer)
{
    if (writer->after_key) {
        writer->after_key = false;
        return;
    }
    if (writer->depth == 0)
        return;

    bool *has_member = &writer->has_member[writer->depth - 1];

    if (*has_member)
        strbuf_puts(writer->out, ",");
    *has_member = true;
    line_break(writer);
}

static void begin(struct json_writer *writer, const char *bracket)
{
    separate(writer);
    if (writer->depth == JSON_DEPTH_MAX)
        fatalx("JSON nested deeper than %d", JSON_DEPTH_MAX);
    writer->has_member[writer->depth++] = false;
    strbuf_puts(writer->out, bracket);
}

static void end(struct json_writer *writer, const char *bracket)
{
    if (writer->depth == 0)
        fatalx("JSON ends what was not begun");
    writer->depth--;
    if (writer->has_member[writer->depth])
        line_break(writer);
    strbuf_puts(writer->out, bracket);
}

void json_begin_object(struct json_writer *writer)
{
    begin(writer, "{");
}

void json_end_object(struct json_writer *writer)
{
    end(writer, "}");
}

void json_begin_array(struct json_writer *writer)
{
    begin(writer, "[");
}

void json_end_array(struct json_writer *writer)
{
    end(writer, "]");
}

void json_key(struct json_writer *writer, const char *key)
{
    separate(writer);
    json_escape(writer->out, key, strlen(key));
    strbuf_puts(writer->out, writer->pretty ? ": " : ":");
    writer->after_key = true;
}

void json_string(struct json_writer *writer, const char *string)
{
    if (string == NULL)
        json_null(writer);
    else
        json_string_n(writer, string, strlen(string));
}

void json_string_n(struct json_writer *writer, const char *string, size_t length)
{
    separate(writer);
    json_escape(writer->out, string, length);
}

void json_integer(struct json_writer *writer, int64_t value)
{
    separate(writer);
    strbuf_printf(writer->out, "%" PRId64, value);
}

void json_number(struct json_writer *writer, double value)
{
    char text[32];

    if (!isfinite(value)) {
        json_null(writer);
        return;
    }
    separate(writer);
    /* The short form where it reads back to the same number: 0.1, not 0.10000000000000001. */
    snprintf(text, sizeof text, "%.15g", value);
    if (strtod(text, NULL) != value)
        snprintf(text, sizeof text, "%.17g", value);
    strbuf_puts(writer->out, text);
}

void json_boolean(struct json_writer *writer, bool value)
{
    separate(writer);
    strbuf_puts(writer->out, value ? "true" : "false");
}

void json_null(struct json_writer *writer)
{
    separate(writer);
    strbuf_puts(writer->out, "null");
}

void json_key_string(struct json_writer *writer, const char *key, const char *string)
{
    json_key(writer, key);
    json_string(writer, string);
}

void json_key_integer(struct json_writer *writer, const char *key, int64_t value)
{
    json_key(writer, key);
    json_integer(writer, value);
}

void json_key_number(struct json_writer *writer, const char *key, double value)
{
    json_key(writer, key);
    json_number(writer, value);
}

/* The length of the UTF-8 character at `bytes`, 0 when there is no valid one (RFC 3629). */
static size_t utf8_length(const unsigned char *bytes, size_t left)
{
    unsigned char lead = bytes[0], low = 0x80, high = 0xbf;
    size_t length;

    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        length = 2;
    else if (lead >= 0xe0 && lead <= 0xef)
        length = 3;
    else if (lead >= 0xf0 && lead <= 0xf4)
        length = 4;
    else
        return 0;
    if (left < length)
        return 0;

    /* The second byte's bounds exclude overlong forms, surrogates and what is above U+10FFFF. */
    if (lead == 0xe0)
        low = 0xa0;
    else if (lead == 0xed)
        high = 0x9f;
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f;
    if (bytes[1] < low || bytes[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

static void escape_ascii(struct strbuf *out, unsigned char byte)
{
    switch (byte) {
    case '"': strbuf_puts(out, "\\\""); break;
    case '\\': strbuf_puts(out, "\\\\"); break;
    case '\b': strbuf_puts(out, "\\b"); break;
    case '\f': strbuf_puts(out, "\\f"); break;
    case '\n': strbuf_puts(out, "\\n"); break;
    case '\r': strbuf_puts(out, "\\r"); break;
    case '\t': strbuf_puts(out, "\\t"); break;
    default:
        if (byte < 0x20)
            strbuf_printf(out, "\\u%04x", byte);
        else
            strbuf_append(out, &byte, 1);
    }
}

void json_escape(struct strbuf *out, const char *string, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)string;

    strbuf_puts(out, "\"");
    for (size_t at = 0; at < length;) {
        size_t character = utf8_length(bytes + at, length - at);

        if (character == 0)
            strbuf_puts(out, REPLACEMENT);
        else if (character == 1)
            escape_ascii(out, bytes[at]);
        else
            strbuf_append(out, bytes + at, character);
        at += character > 0 ? character : 1;
    }
    strbuf_puts(out, "\"");
}
