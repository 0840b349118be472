#include "status_request.h"

#include <string.h>
#include <strings.h>

#include "fcgi_record.h"

#define TEXT_TYPE "text/plain; charset=utf-8"

struct text {
    const char *bytes;
    size_t length;
};

static bool text_is(struct text text, const char *word)
{
    return text.length == strlen(word) && memcmp(text.bytes, word, text.length) == 0;
}

static bool text_contains(struct text text, const char *word)
{
    return text.length > 0 && memmem(text.bytes, text.length, word, strlen(word)) != NULL;
}

/* What stands before the first of these bytes. */
static struct text up_to(struct text text, const char *ends)
{
    size_t length = 0;
    while (length < text.length && !strchr(ends, text.bytes[length]))
        length++;
    return (struct text){ text.bytes, length };
}

static struct text last_part(struct text path)
{
    const char *slash = path.length > 0 ? memrchr(path.bytes, '/', path.length) : NULL;
    if (!slash)
        return path;
    size_t skipped = (size_t)(slash - path.bytes) + 1;
    return (struct text){ slash + 1, path.length - skipped };
}

struct status_request status_request_read(const uint8_t *params, size_t length)
{
    struct text method = { 0 }, uri = { 0 }, script = { 0 }, info = { 0 }, query = { 0 }, accept = { 0 };
    const struct {
        const char *name;
        struct text *value;
    } wanted[] = { { "REQUEST_METHOD", &method }, { "REQUEST_URI", &uri },    { "SCRIPT_NAME", &script },
                   { "PATH_INFO", &info },        { "QUERY_STRING", &query }, { "HTTP_ACCEPT", &accept } };
    struct status_request request = { .content_type = TEXT_TYPE };
    struct fcgi_pair pair;
    size_t offset = 0;
    int got;

    while ((got = fcgi_pair_next(params, length, &offset, &pair)) > 0)
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
            if (text_is((struct text){ (const char *)pair.name, pair.name_length }, wanted[i].name))
                *wanted[i].value = (struct text){ (const char *)pair.value, pair.value_length };
    request.head = text_is(method, "HEAD");
    if (got < 0)
        request.refused = 400;
    else if (!request.head && !text_is(method, "GET"))
        request.refused = 405;
    if (request.refused)
        return request;

    struct text path = last_part(up_to(uri.length > 0 ? uri : info.length > 0 ? info : script, "?#"));
    struct text asked = up_to(query, "&=");
    if (text_is(path, "metrics") || (text_is(path, "status") && text_is(asked, "openmetrics"))) {
        request.format = STATUS_METRICS;
        request.content_type = text_is(asked, "openmetrics") || text_contains(accept, "application/openmetrics-text")
                                   ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                   : "text/plain; version=0.0.4; charset=utf-8";
    } else if (!text_is(path, "status")) {
        request.refused = 404;
    } else if (text_is(asked, "json") || (asked.length == 0 && text_contains(accept, "application/json"))) {
        request.format = STATUS_JSON;
        request.content_type = "application/json";
    }
    return request;
}

static void put(struct strbuf *records, uint16_t id, struct strbuf *head, bool without_body, const char *text,
                size_t length)
{
    if (!without_body)
        strbuf_append(head, text, length);
    fcgi_record_append(records, FCGI_RECORD_STDOUT, id, head->data, head->length);
    fcgi_record_append(records, FCGI_RECORD_STDOUT, id, "", 0);
    fcgi_record_append_end(records, id, 0, FCGI_STATUS_REQUEST_COMPLETE);
    strbuf_free(head);
}

void status_request_answer(struct strbuf *records, uint16_t request_id, const struct status_request *request,
                           const char *text, size_t length)
{
    struct strbuf head = { 0 };
    strbuf_printf(&head,
                  "Status: 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
                  "Vary: Accept\r\n\r\n",
                  request->content_type, length);
    put(records, request_id, &head, request->head, text, length);
}

void status_request_refuse(struct strbuf *records, uint16_t request_id, unsigned status, bool without_body)
{
    struct strbuf head = { 0 };
    const char *reason, *text, *more = "";
    switch (status) {
    case 400: reason = "Bad Request", text = "The request's parameters are malformed.\n"; break;
    case 404: reason = "Not Found", text = "There are /status, /status?json and /metrics.\n"; break;
    case 405:
        reason = "Method Not Allowed", text = "The status can be read only.\n";
        more = "Allow: GET, HEAD\r\n";
        break;
    default:
        reason = "Service Unavailable", text = "The supervisor has not answered.\n";
        more = "Retry-After: 1\r\n";
        break;
    }
    strbuf_printf(&head,
                  "Status: %u %s\r\n%sContent-Type: " TEXT_TYPE
                  "\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n\r\n",
                  status, reason, more, strlen(text));
    put(records, request_id, &head, without_body, text, strlen(text));
}
