#include "exchange.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum record_type { BEGIN_REQUEST = 1, END_REQUEST = 3, PARAMS = 4, STDIN = 5, STDOUT = 6, STDERR = 7 };

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("fcgi_load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(2);
}

void *allocate(void *old, size_t size)
{
    void *memory = realloc(old, size);
    if (memory == NULL) {
        die("out of memory");
    }
    return memory;
}

static void append(struct bytes *bytes, const void *data, size_t length)
{
    bytes->data = allocate(bytes->data, bytes->length + length + 1);
    memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
}

static void append_record(struct bytes *out, enum record_type type, const struct bytes *content)
{
    uint8_t padding = (uint8_t)(-content->length & 7);
    const uint8_t header[8] = {
        1, (uint8_t)type, 0, 1, (uint8_t)(content->length >> 8), (uint8_t)content->length, padding, 0
    };
    append(out, header, sizeof header);
    append(out, content->data != NULL ? content->data : header, content->length);
    append(out, "\0\0\0\0\0\0\0", padding);
}

static void append_length(struct bytes *out, size_t length)
{
    const uint8_t bytes[4] = { (uint8_t)(length >> 24 | 0x80), (uint8_t)(length >> 16), (uint8_t)(length >> 8),
                               (uint8_t)length };
    if (length < 128) {
        append(out, bytes + 3, 1);
    } else {
        append(out, bytes, 4);
    }
}

static void append_param(struct bytes *out, const char *name, const char *value)
{
    append_length(out, strlen(name));
    append_length(out, strlen(value));
    append(out, name, strlen(name));
    append(out, value, strlen(value));
}

/* What Debian's nginx sends for a plain GET of a browser. */
struct bytes exchange_request(const struct exchange *exchange, bool keep)
{
    size_t path_length = strcspn(exchange->uri, "?");
    char *path = strndup(exchange->uri, path_length);
    const char *query = exchange->uri[path_length] == '?' ? exchange->uri + path_length + 1 : "";
    const char *params[][2] = {
        { "QUERY_STRING", query },
        { "REQUEST_METHOD", "GET" },
        { "CONTENT_TYPE", "" },
        { "CONTENT_LENGTH", "" },
        { "SCRIPT_NAME", path },
        { "REQUEST_URI", exchange->uri },
        { "DOCUMENT_URI", path },
        { "DOCUMENT_ROOT", "/var/www/html" },
        { "SERVER_PROTOCOL", "HTTP/1.1" },
        { "REQUEST_SCHEME", "http" },
        { "GATEWAY_INTERFACE", "CGI/1.1" },
        { "SERVER_SOFTWARE", "nginx/1.22.1" },
        { "REMOTE_ADDR", "127.0.0.1" },
        { "REMOTE_PORT", "50404" },
        { "SERVER_ADDR", "127.0.0.1" },
        { "SERVER_PORT", "80" },
        { "SERVER_NAME", exchange->host },
        { "REDIRECT_STATUS", "200" },
        { "SCRIPT_FILENAME", exchange->script_filename },
        { "HTTP_HOST", exchange->host },
        { "HTTP_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0" },
        { "HTTP_ACCEPT", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" },
        { "HTTP_ACCEPT_LANGUAGE", "en,ja;q=0.7" },
        { "HTTP_ACCEPT_ENCODING", "gzip, deflate" },
    };
    const uint8_t begin[8] = { 0, 1, keep ? 1 : 0 };
    struct bytes request = { NULL, 0 };
    struct bytes content = { NULL, 0 };
    const struct bytes empty = { NULL, 0 };
    append(&content, begin, sizeof begin);
    append_record(&request, BEGIN_REQUEST, &content);
    content.length = 0;
    for (size_t i = 0; i < sizeof params / sizeof params[0]; i++) {
        append_param(&content, params[i][0], params[i][1]);
    }
    if (content.length > 65535) {
        die("the parameters don't fit into one record");
    }
    append_record(&request, PARAMS, &content);
    append_record(&request, PARAMS, &empty);
    append_record(&request, STDIN, &empty);
    free(content.data);
    free(path);
    return request;
}

/* NULL when the content of the STDOUT records is what is expected, else what is wrong with it. */
static const char *check_output(const struct exchange *exchange, const uint8_t *output, size_t length)
{
    const uint8_t *body = memmem(output, length, "\r\n\r\n", 4);
    if (body == NULL) {
        return "an answer without the end of its head";
    }
    size_t head_length = (size_t)(body + 2 - output);
    body += 4;
    unsigned status = 200;
    const uint8_t *end = NULL;
    for (const uint8_t *line = output; line < output + head_length; line = end + 2) {
        end = memmem(line, (size_t)(output + head_length - line), "\r\n", 2);
        if (end == NULL) {
            break;
        }
        if (strncasecmp((const char *)line, "Status:", 7) == 0) {
            status = (unsigned)strtoul((const char *)line + 7, NULL, 10);
        }
    }
    if (status != exchange->expected_status) {
        return "an answer with another status";
    }
    size_t body_length = (size_t)(output + length - body);
    size_t expected_length = strlen(exchange->expected_body);
    if (body_length != expected_length || memcmp(body, exchange->expected_body, expected_length) != 0) {
        return "an answer with another body";
    }
    return NULL;
}

bool exchange_answered(const struct exchange *exchange, uint8_t *bytes, size_t length, const char **wrong)
{
    size_t offset = 0;
    *wrong = NULL;
    for (;;) {
        if (length - offset < 8) {
            return false;
        }
        size_t content = (size_t)bytes[offset + 4] << 8 | bytes[offset + 5];
        size_t record = 8 + content + bytes[offset + 6];
        if (bytes[offset] != 1 || bytes[offset + 2] != 0 || bytes[offset + 3] != 1) {
            *wrong = "a record of another version or request";
            return true;
        }
        if (length - offset < record) {
            return false;
        }
        if (bytes[offset + 1] == END_REQUEST) {
            break;
        }
        offset += record;
    }
    if (length - offset != 16 || bytes[offset + 12] != 0) {
        *wrong = "an END_REQUEST that is refused, or followed by more";
        return true;
    }
    size_t end = offset;
    size_t output = 0;
    for (offset = 0; offset < end;) {
        size_t content = (size_t)bytes[offset + 4] << 8 | bytes[offset + 5];
        size_t record = 8 + content + bytes[offset + 6];
        if (bytes[offset + 1] != STDOUT && content > 0) {
            *wrong = bytes[offset + 1] == STDERR ? "an answer with STDERR" : "an answer with a record of another type";
            return true;
        }
        memmove(bytes + output, bytes + offset + 8, content);
        output += content;
        offset += record;
    }
    *wrong = check_output(exchange, bytes, output);
    return true;
}
