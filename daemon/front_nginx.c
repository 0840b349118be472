/* nginx: a server block for each host, to be included where `http` is. */
#include "front.h"

#include <inttypes.h>
#include <string.h>

#include "front_text.h"

/* nginx would take a '$' for a variable, and has no way to write one. */
static const struct front_quoting quoting = { "nginx", "\"", "\"\\", "$", "no dollar signs and line breaks" };

static const struct {
    const char *name;
    const char *value;
} params[] = {
    { "QUERY_STRING", "$query_string" },
    { "REQUEST_METHOD", "$request_method" },
    { "REQUEST_URI", "$request_uri" },
    { "REQUEST_SCHEME", "$scheme" },
    { "CONTENT_TYPE", "$content_type" },
    { "CONTENT_LENGTH", "$content_length" },
    { "SCRIPT_NAME", "\"\"" },
    { "PATH_INFO", "$uri" },
    { "DOCUMENT_URI", "$document_uri" },
    { "SERVER_PROTOCOL", "$server_protocol" },
    { "GATEWAY_INTERFACE", "CGI/1.1" },
    { "SERVER_SOFTWARE", "nginx/$nginx_version" },
    { "REMOTE_ADDR", "$remote_addr" },
    { "REMOTE_PORT", "$remote_port" },
    { "REMOTE_USER", "$remote_user if_not_empty" },
    { "SERVER_ADDR", "$server_addr" },
    { "SERVER_PORT", "$server_port" },
    { "SERVER_NAME", "$host" },
    { "HTTPS", "$https if_not_empty" },
    { "HTTP_AUTHORIZATION", "$http_authorization if_not_empty" },
    { "HTTP_PROXY", "\"\"" },
};

static int quote(struct strbuf *out, const char *before, const char *word, const char *after, struct strbuf *error)
{
    return front_quote(&quoting, before, word, after, out, error);
}

static int write_pass(const struct config_pool *pool, const char *indent, struct strbuf *out, struct strbuf *error)
{
    const struct config_listen *listen;
    char host[64];

    if (front_target(pool, &listen, host, error) == -1)
        return -1;
    strbuf_printf(out, "%sfastcgi_read_timeout %" PRId64 "s;\n", indent, front_patience_s(pool));
    strbuf_printf(out, "%sfastcgi_pass ", indent);
    if (listen->type == LISTEN_UNIX) {
        if (quote(out, "unix:", listen->address, "", error) == -1)
            return -1;
    } else {
        front_host_port(out, host, listen->port);
    }
    strbuf_puts(out, ";\n");
    return 0;
}

/* The app at "/": files of its public folder, else the app. */
static int write_root(const struct config_pool *pool, const struct config_app *app, struct strbuf *out,
                      struct strbuf *error)
{
    strbuf_puts(out, "\n    location / {\n        root ");
    if (quote(out, "", app->root, "/public", error) == -1)
        return -1;
    strbuf_printf(out, ";\n        try_files $uri @cowherd_%s;\n    }\n", pool->name);
    return 0;
}

/* An app below a path: that path itself, and all below it. "/inner" is not the head of "/innermost". */
static int write_prefix(const struct config_pool *pool, const struct config_app *app, struct strbuf *out,
                        struct strbuf *error)
{
    strbuf_puts(out, "\n    location = ");
    if (quote(out, "", app->path, "", error) == -1)
        return -1;
    strbuf_puts(out, " {\n");
    if (write_pass(pool, "        ", out, error) == -1)
        return -1;
    strbuf_puts(out, "    }\n\n    location ^~ ");
    if (quote(out, "", app->path, "/", error) == -1)
        return -1;
    strbuf_puts(out, " {\n        alias ");
    if (quote(out, "", app->root, "/public/", error) == -1)
        return -1;
    strbuf_printf(out, ";\n        try_files $uri @cowherd_%s;\n    }\n", pool->name);
    return 0;
}

static bool hands_files_over(const struct config_app *app)
{
    return app->sendfile.enabled && app->sendfile.header == SENDFILE_X_ACCEL_REDIRECT;
}

static const char *sendfile_directory(const struct config_app *app)
{
    return app->sendfile.from != NULL ? app->sendfile.from : app->root;
}

/* 1: an earlier app of the host has said the same; -1: it means another directory by it. */
static int compare_with_earlier(const struct front_host *host, size_t index, struct strbuf *error)
{
    const struct config_app *app = host->apps[index];

    for (size_t i = 0; i < index; i++) {
        if (!hands_files_over(host->apps[i]) || strcmp(host->apps[i]->sendfile.to, app->sendfile.to) != 0)
            continue;
        if (strcmp(sendfile_directory(host->apps[i]), sendfile_directory(app)) == 0)
            return 1;
        strbuf_printf(error, "%s and %s have the same sendfile.to for two directories", host->apps[i]->name, app->name);
        return -1;
    }
    return 0;
}

/* Files that apps name by X-Accel-Redirect, out of the reach of clients. */
static int write_sendfile(const struct front_host *host, struct strbuf *out, struct strbuf *error)
{
    for (size_t i = 0; i < host->count; i++) {
        const struct config_app *app = host->apps[i];
        int earlier = hands_files_over(app) ? compare_with_earlier(host, i, error) : 1;

        if (earlier == -1)
            return -1;
        if (earlier == 1)
            continue;
        strbuf_puts(out, "\n    location ^~ ");
        if (quote(out, "", app->sendfile.to, "/", error) == -1)
            return -1;
        strbuf_puts(out, " {\n        internal;\n        alias ");
        if (quote(out, "", sendfile_directory(app), "/", error) == -1)
            return -1;
        strbuf_puts(out, ";\n    }\n");
    }
    return 0;
}

/* Where apps and their files fall back to: one for each pool of the host. */
static int write_pools(const struct front_host *host, struct strbuf *out, struct strbuf *error)
{
    for (size_t i = 0; i < host->count; i++) {
        if (!front_is_first_of_pool(host, i))
            continue;
        strbuf_printf(out, "\n    location @cowherd_%s {\n", host->pools[i]->name);
        if (write_pass(host->pools[i], "        ", out, error) == -1)
            return -1;
        strbuf_puts(out, "    }\n");
    }
    return 0;
}

static void write_settings(const struct front_host *host, struct strbuf *out)
{
    int64_t body = front_body_limit(host);

    if (body > 0 && body % (1 << 20) == 0)
        strbuf_printf(out, "    client_max_body_size %" PRId64 "m;\n\n", body >> 20);
    else
        strbuf_printf(out, "    client_max_body_size %" PRId64 ";\n\n", body);
    strbuf_puts(out, "    fastcgi_request_buffering on;\n"
                     "    fastcgi_keep_conn off;\n"
                     "    fastcgi_buffer_size 16k;\n"
                     "    fastcgi_buffers 16 16k;\n");
    for (size_t i = 0; i < sizeof params / sizeof params[0]; i++)
        strbuf_printf(out, "    fastcgi_param %s %s;\n", params[i].name, params[i].value);
}

static int write_host(const struct front_host *host, struct strbuf *out, struct strbuf *error)
{
    bool is_any = strcmp(host->name, "*") == 0;
    bool has_root = false;

    strbuf_printf(out, "\nserver {\n    listen 80%s;\n    server_name ", is_any ? " default_server" : "");
    if (is_any)
        strbuf_puts(out, "_");
    else if (quote(out, "", host->name, "", error) == -1)
        return -1;
    strbuf_puts(out, ";\n");
    write_settings(host, out);
    for (size_t i = 0; i < host->count; i++) {
        bool is_root = strcmp(host->apps[i]->path, "/") == 0;

        if ((is_root ? write_root : write_prefix)(host->pools[i], host->apps[i], out, error) == -1)
            return -1;
        has_root = has_root || is_root;
    }
    if (!has_root) {
        /* cowherd's own page says that nothing is there. */
        strbuf_puts(out, "\n    location / {\n");
        if (write_pass(host->pools[0], "        ", out, error) == -1)
            return -1;
        strbuf_puts(out, "    }\n");
    }
    if (write_sendfile(host, out, error) == -1 || write_pools(host, out, error) == -1)
        return -1;
    strbuf_puts(out, "}\n");
    return 0;
}

int front_nginx(const struct front *front, struct strbuf *out, struct strbuf *error)
{
    strbuf_puts(out,
                "# Made by \"cowherd front nginx\"; belongs into the http section, for example as a file in conf.d.\n"
                "# Files in an app's public folder are served by nginx, everything else by the app.\n");
    for (size_t i = 0; i < front->host_count; i++)
        if (write_host(&front->hosts[i], out, error) == -1)
            return -1;
    return 0;
}
