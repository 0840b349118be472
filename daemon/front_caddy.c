/* caddy: one site; its hosts are told apart by matchers, because a wildcard of caddy's stands for one label alone. */
#include "front.h"

#include <inttypes.h>
#include <string.h>

#include "front_text.h"

static const struct front_quoting quoting = { "caddy", "\"", "\"", "{}\\", "no braces, backslashes and line breaks" };

/* What of an upload is in memory before the app is asked; the rest is passed on as it comes. */
#define UPLOAD_BUFFERED "1MB"

static int word(struct strbuf *out, const char *before, const char *text, const char *after, struct strbuf *error)
{
    return front_quote(&quoting, before, text, after, out, error);
}

static int write_pass(const struct config_pool *pool, const char *root, struct strbuf *out, struct strbuf *error)
{
    const struct config_listen *listen;
    char host[64];

    if (front_target(pool, &listen, host, error) == -1)
        return -1;
    strbuf_puts(out, "            reverse_proxy ");
    if (listen->type == LISTEN_UNIX) {
        if (word(out, "unix/", listen->address, "", error) == -1)
            return -1;
    } else {
        front_host_port(out, host, listen->port);
    }
    strbuf_puts(out, " {\n"
                     "                buffer_requests\n"
                     "                max_buffer_size " UPLOAD_BUFFERED "\n"
                     "                flush_interval -1\n"
                     "                transport fastcgi {\n"
                     "                    root ");
    if (word(out, "", root, "/public", error) == -1)
        return -1;
    strbuf_printf(out,
                  "\n                    dial_timeout 5s\n"
                  "                    read_timeout %" PRId64 "s\n"
                  "                    capture_stderr\n"
                  "                }\n            }\n",
                  front_patience_s(pool));
    return 0;
}

static int write_app(const struct front_host *host, size_t index, struct strbuf *out, struct strbuf *error)
{
    const struct config_app *app = host->apps[index];
    bool is_root = front_is_root(app);

    strbuf_puts(out, "        handle");
    if (!is_root)
        strbuf_printf(out, " @app_%zu", index);
    strbuf_puts(out, " {\n            @files {\n                file {\n                    root ");
    if (word(out, "", app->root, "/public", error) == -1)
        return -1;
    strbuf_printf(out, "\n                    try_files %s\n                }\n",
                  is_root ? "{path}" : "{http.regexp.file.1}");
    strbuf_puts(out, "                not path */\n            }\n            handle @files {\n");
    if (!is_root) {
        strbuf_puts(out, "                uri strip_prefix ");
        if (word(out, "", app->path, "", error) == -1)
            return -1;
        strbuf_puts(out, "\n");
    }
    strbuf_puts(out, "                file_server {\n                    root ");
    if (word(out, "", app->root, "/public", error) == -1)
        return -1;
    strbuf_puts(out, "\n                }\n            }\n");
    if (write_pass(host->pools[index], app->root, out, error) == -1)
        return -1;
    strbuf_puts(out, "        }\n");
    return 0;
}

/* The first `handle` whose matcher fits is the one. */
static int write_host(const struct front_host *host, size_t number, struct strbuf *out, struct strbuf *error)
{
    int64_t body = front_body_limit(host);
    bool is_any = strcmp(host->name, "*") == 0;

    if (!is_any) {
        strbuf_printf(out, "    @host_%zu header_regexp Host (?i)", number);
        front_host_regex(out, host->name);
        strbuf_puts(out, "\n");
        strbuf_printf(out, "    handle @host_%zu {\n", number);
    } else {
        strbuf_puts(out, "    handle {\n");
    }
    if (body > 0)
        strbuf_printf(out, "        request_body {\n            max_size %" PRId64 "\n        }\n", body);
    for (size_t i = 0; i < host->count; i++)
        if (!front_is_root(host->apps[i])) {
            strbuf_printf(out, "        @app_%zu path_regexp file ^", i);
            front_regex(out, host->apps[i]->path);
            strbuf_puts(out, "(/.*)?$\n");
        }
    for (size_t i = 0; i < host->count; i++)
        if (write_app(host, i, out, error) == -1)
            return -1;
    if (front_root_app(host) == NULL) {
        strbuf_puts(out, "        handle {\n");
        if (write_pass(host->pools[0], host->apps[0]->root, out, error) == -1)
            return -1;
        strbuf_puts(out, "        }\n");
    }
    strbuf_puts(out, "    }\n");
    return 0;
}

int front_caddy(const struct front *front, struct strbuf *out, struct strbuf *error)
{
    strbuf_puts(out, "# Made by \"cowherd front caddy\"; a site of a Caddyfile.\n"
                     "# Files in an app's public folder are served by caddy, everything else by the app.\n"
                     "http://:80 {\n");
    for (size_t i = 0; i < front->host_count; i++)
        if (write_host(&front->hosts[i], i, out, error) == -1)
            return -1;
    strbuf_puts(out, "}\n");
    return 0;
}
