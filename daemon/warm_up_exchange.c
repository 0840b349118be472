#include "warm_up_exchange.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fcgi_record.h"
#include "xalloc.h"

#define REQUEST_ID 1
#define HEAD_MAX 65536

static bool is_prefix(const char *prefix, const char *uri)
{
    size_t length = strlen(prefix);

    if (strcmp(prefix, "/") == 0)
        return true;
    return strncmp(prefix, uri, length) == 0 && (uri[length] == '\0' || uri[length] == '/' || uri[length] == '?');
}

const struct config_app *warm_up_app(const struct config_pool *pool, const char *uri)
{
    for (size_t i = 0; i < pool->app_count; i++)
        if (is_prefix(pool->apps[i].path, uri))
            return &pool->apps[i];
    return NULL;
}

char *warm_up_host(const struct config_app *app)
{
    if (strcmp(app->host, "*") == 0)
        return xstrdup("localhost");
    return app->host[0] == '*' ? xasprintf("warm-up%s", app->host + 1) : xstrdup(app->host);
}

void warm_up_request(const struct config_app *app, const char *uri, struct strbuf *out)
{
    const char *query = strchr(uri, '?');
    char *path = xstrndup(uri, query ? (size_t)(query - uri) : strlen(uri));
    char *host = warm_up_host(app);
    const char *const params[][2] = {
        { "REQUEST_METHOD", "GET" },
        { "REQUEST_URI", uri },
        { "SCRIPT_NAME", path },
        { "QUERY_STRING", query ? query + 1 : "" },
        { "HTTP_HOST", host },
        { "HTTP_USER_AGENT", "cowherd/" COWHERD_VERSION " (warm-up)" },
        { "SERVER_NAME", host },
        { "SERVER_PORT", "80" },
        { "SERVER_PROTOCOL", "HTTP/1.1" },
        { "SERVER_SOFTWARE", "cowherd/" COWHERD_VERSION },
        { "GATEWAY_INTERFACE", "CGI/1.1" },
        { "REMOTE_ADDR", "127.0.0.1" },
        { "REQUEST_SCHEME", "http" },
        { "CONTENT_LENGTH", "" },
    };
    struct strbuf content = { 0 };

    for (size_t i = 0; i < sizeof params / sizeof *params; i++)
        fcgi_pair_append(&content, params[i][0], strlen(params[i][0]), params[i][1], strlen(params[i][1]));
    fcgi_record_append_begin(out, REQUEST_ID, FCGI_ROLE_RESPONDER, 0);
    fcgi_record_append(out, FCGI_RECORD_PARAMS, REQUEST_ID, content.data, content.length);
    fcgi_record_append(out, FCGI_RECORD_PARAMS, REQUEST_ID, "", 0);
    fcgi_record_append(out, FCGI_RECORD_STDIN, REQUEST_ID, "", 0);
    strbuf_free(&content);
    free(host);
    free(path);
}

/* Of the body nothing is kept. */
static void take_output(struct warm_up_answer *answer, const char *bytes, size_t length)
{
    if (answer->head_ended)
        return;
    strbuf_append(&answer->head, bytes, length);
    answer->head_ended = answer->head.length > HEAD_MAX || strstr(answer->head.data, "\r\n\r\n") != NULL ||
                         strstr(answer->head.data, "\n\n") != NULL;
}

static void take_record(struct warm_up_answer *answer, const struct fcgi_record_header *header, const char *content)
{
    if (header->type == FCGI_RECORD_STDOUT)
        take_output(answer, content, header->content_length);
    if (header->type != FCGI_RECORD_END_REQUEST)
        return;
    answer->ended = true;
    answer->failed = header->content_length < 5 || content[4] != FCGI_STATUS_REQUEST_COMPLETE;
}

void warm_up_answer_take(struct warm_up_answer *answer, const void *bytes, size_t length)
{
    struct strbuf *left = &answer->bytes;
    size_t at = 0;

    strbuf_append(left, bytes, length);
    while (!answer->ended && left->length - at >= FCGI_RECORD_HEADER_SIZE) {
        struct fcgi_record_header header = fcgi_record_decode((const uint8_t *)left->data + at);
        size_t size = (size_t)FCGI_RECORD_HEADER_SIZE + header.content_length + header.padding_length;
        if (header.version != 1) {
            answer->ended = answer->failed = true;
            break;
        }
        if (left->length - at < size)
            break;
        take_record(answer, &header, left->data + at + FCGI_RECORD_HEADER_SIZE);
        at += size;
    }
    strbuf_consume(left, at);
}

int warm_up_answer_status(const struct warm_up_answer *answer)
{
    const char *line = answer->head.data;

    while (line != NULL && *line != '\0' && *line != '\r' && *line != '\n') {
        if (strncasecmp(line, "Status:", 7) == 0)
            return atoi(line + 7);
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return 200;
}

void warm_up_answer_free(struct warm_up_answer *answer)
{
    strbuf_free(&answer->bytes);
    strbuf_free(&answer->head);
}
