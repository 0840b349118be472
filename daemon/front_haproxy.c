/* haproxy: a backend and an fcgi-app for each pool. It serves no files: the apps answer everything. */
#include "front.h"

#include <inttypes.h>
#include <string.h>

#include "front_text.h"

static const struct front_quoting quoting = { "haproxy", "'", "", "'", "no ' and line breaks" };

static int word(struct strbuf *out, const char *before, const char *text, const char *after, struct strbuf *error)
{
    return front_quote(&quoting, before, text, after, out, error);
}

static void write_host_condition(const char *host, struct strbuf *out)
{
    if (strcmp(host, "*") != 0)
        strbuf_printf(out, " { req.hdr(host),host_only -i -m %s %s }", host[0] == '*' ? "end" : "str",
                      host[0] == '*' ? host + 1 : host);
}

static int write_rule(const struct front_host *host, size_t index, struct strbuf *out, struct strbuf *error)
{
    const struct config_app *app = host->apps[index];
    bool is_any = strcmp(host->name, "*") == 0;

    if (front_is_root(app) && is_any)
        return 0; /* the default */
    strbuf_printf(out, "    use_backend cowherd_%s if", host->pools[index]->name);
    write_host_condition(host->name, out);
    if (!front_is_root(app)) {
        strbuf_puts(out, " { path ");
        if (word(out, "", app->path, "", error) == -1)
            return -1;
        strbuf_puts(out, " } or");
        write_host_condition(host->name, out);
        strbuf_puts(out, " { path -m beg ");
        if (word(out, "", app->path, "/", error) == -1)
            return -1;
        strbuf_puts(out, " }");
    }
    strbuf_puts(out, "\n");
    return 0;
}

/* cowherd itself finds the app; haproxy has to find the pool where there are several. */
static int write_frontend(const struct front *front, struct strbuf *out, struct strbuf *error)
{
    const struct config_pool *fallback = front->pool_count > 0 ? front->pools[0] : NULL;

    strbuf_puts(out, "frontend cowherd\n    mode http\n    bind :80\n    timeout client 60s\n"
                     "    option http-buffer-request\n");
    for (size_t i = 0; i < front->host_count; i++) {
        const struct front_host *host = &front->hosts[i];
        const struct config_app *root = front_root_app(host);

        for (size_t j = 0; j < host->count && front->pool_count > 1; j++)
            if (write_rule(host, j, out, error) == -1)
                return -1;
        if (root != NULL && strcmp(host->name, "*") == 0)
            fallback = host->pools[host->count - 1]; /* the shortest path comes last */
    }
    if (fallback != NULL)
        strbuf_printf(out, "    default_backend cowherd_%s\n", fallback->name);
    return 0;
}

static int write_pool(const struct config_pool *pool, struct strbuf *out, struct strbuf *error)
{
    const struct config_listen *listen;
    char host[64];

    if (front_target(pool, &listen, host, error) == -1)
        return -1;
    strbuf_printf(out, "\nbackend cowherd_%s\n    mode http\n    use-fcgi-app cowherd_%s\n", pool->name, pool->name);
    strbuf_printf(out, "    timeout connect 5s\n    timeout server %" PRId64 "s\n", front_patience_s(pool));
    if (pool->limits.body > 0)
        strbuf_printf(out, "    http-request deny deny_status 413 if { req.body_size gt %" PRId64 " }\n",
                      pool->limits.body);
    strbuf_puts(out, "    server cowherd ");
    if (listen->type == LISTEN_UNIX) {
        if (word(out, "unix@", listen->address, "", error) == -1)
            return -1;
    } else {
        front_host_port(out, host, listen->port);
    }
    strbuf_printf(out, " proto fcgi\n\nfcgi-app cowherd_%s\n    docroot ", pool->name);
    if (word(out, "", pool->app_count > 0 ? pool->apps[0].root : "/", "/public", error) == -1)
        return -1;
    strbuf_puts(out, "\n    log-stderr global\n    no option keep-conn\n    pass-header Authorization\n");
    return 0;
}

int front_haproxy(const struct front *front, struct strbuf *out, struct strbuf *error)
{
    strbuf_puts(out, "# Made by \"cowherd front haproxy\"; belongs below the global section of haproxy.cfg.\n"
                     "# haproxy serves no files: what is in public folders has to be served by the apps.\n");
    if (write_frontend(front, out, error) == -1)
        return -1;
    for (size_t i = 0; i < front->pool_count; i++)
        if (write_pool(front->pools[i], out, error) == -1)
            return -1;
    return 0;
}
