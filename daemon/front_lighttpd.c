/*
 * lighttpd: a condition on each host. Whatever is no file is rewritten to a prefix for each pool; the app sees the
 * request's own URI, which lighttpd sends as REQUEST_URI nevertheless.
 */
#include "front.h"

#include <inttypes.h>
#include <string.h>

#include "front_text.h"

static const struct front_quoting quoting = { "lighttpd", "\"", "\"\\", "", "no line breaks" };

static int word(struct strbuf *out, const char *before, const char *text, const char *after, struct strbuf *error)
{
    return front_quote(&quoting, before, text, after, out, error);
}

/* Where files are: of the app at "/" in the root, of the others below their paths. */
static int write_files(const struct front_host *host, struct strbuf *out, struct strbuf *error)
{
    const struct config_app *root = front_root_app(host);

    strbuf_puts(out, "    server.document-root = ");
    if (word(out, "", root != NULL ? root->root : "/dev/null", root != NULL ? "/public" : "", error) == -1)
        return -1;
    strbuf_puts(out, "\n    alias.url = (\n");
    for (size_t i = 0; i < host->count; i++) {
        if (front_is_root(host->apps[i]))
            continue;
        strbuf_puts(out, "        ");
        if (word(out, "", host->apps[i]->path, "/", error) == -1)
            return -1;
        strbuf_puts(out, " => ");
        if (word(out, "", host->apps[i]->root, "/public/", error) == -1)
            return -1;
        strbuf_puts(out, ",\n");
    }
    strbuf_puts(out, "    )\n");
    return 0;
}

static int write_rewrites(const struct front_host *host, struct strbuf *out, struct strbuf *error)
{
    int result = 0;

    strbuf_puts(out, "    url.rewrite-if-not-file = (\n");
    for (size_t i = 0; i < host->count && result == 0; i++) {
        struct strbuf regex = { 0 };

        if (!front_is_root(host->apps[i]))
            front_regex(&regex, host->apps[i]->path);
        strbuf_puts(out, "        ");
        result = word(out, "^", regex.data != NULL ? regex.data : "", "([/?].*)?$", error);
        strbuf_printf(out, " => \"/cowherd/%s$0\",\n", host->pools[i]->name);
        strbuf_free(&regex);
    }
    if (front_root_app(host) == NULL)
        strbuf_printf(out, "        \"^/.*$\" => \"/cowherd/%s$0\",\n", host->pools[0]->name);
    strbuf_puts(out, "    )\n");
    return result;
}

/* Directories of which the pool's apps in this host may name files by X-Sendfile. */
static int write_sendfile(const struct front_host *host, const struct config_pool *pool, struct strbuf *out,
                          struct strbuf *error)
{
    bool is_first = true;

    for (size_t i = 0; i < host->count; i++) {
        const struct config_app *app = host->apps[i];

        if (host->pools[i] != pool || !app->sendfile.enabled || app->sendfile.header != SENDFILE_X_SENDFILE)
            continue;
        strbuf_puts(out, is_first ? ",\n            \"x-sendfile\" => \"enable\", \"x-sendfile-docroot\" => (" : ", ");
        if (word(out, "", app->sendfile.from != NULL ? app->sendfile.from : app->root, "/", error) == -1)
            return -1;
        is_first = false;
    }
    if (!is_first)
        strbuf_puts(out, ")");
    return 0;
}

static int write_pool(const struct front_host *vhost, const struct config_pool *pool, struct strbuf *out,
                      struct strbuf *error)
{
    const struct config_listen *listen;
    char host[64];

    if (front_target(pool, &listen, host, error) == -1)
        return -1;
    strbuf_printf(out, "        \"/cowherd/%s/\" => ((", pool->name);
    if (listen->type == LISTEN_UNIX) {
        strbuf_puts(out, "\"socket\" => ");
        if (word(out, "", listen->address, "", error) == -1)
            return -1;
    } else {
        strbuf_printf(out, "\"host\" => \"%s\", \"port\" => %s", host, listen->port);
    }
    strbuf_printf(out, ", \"check-local\" => \"disable\", \"disable-time\" => 0, \"read-timeout\" => %" PRId64,
                  front_patience_s(pool));
    if (write_sendfile(vhost, pool, out, error) == -1)
        return -1;
    strbuf_puts(out, ")),\n");
    return 0;
}

static int write_host(const struct front_host *host, struct strbuf *out, struct strbuf *error)
{
    int64_t body = front_body_limit(host);
    struct strbuf regex = { 0 };
    bool is_any = strcmp(host->name, "*") == 0;

    if (!is_any) {
        front_host_regex(&regex, host->name);
        strbuf_printf(out, "$HTTP[\"host\"] =~ \"%s\" {\n", regex.data);
        strbuf_free(&regex);
    } else {
        strbuf_puts(out, "$HTTP[\"host\"] =~ \"\" {\n");
    }
    strbuf_printf(out, "    server.max-request-size = %" PRId64 "\n", (body + 1023) / 1024);
    strbuf_puts(out, "    server.stream-request-body = 0\n    server.stream-response-body = 1\n");
    if (write_files(host, out, error) == -1 || write_rewrites(host, out, error) == -1)
        return -1;
    strbuf_puts(out, "    fastcgi.server = (\n");
    for (size_t i = 0; i < host->count; i++)
        if (front_is_first_of_pool(host, i) && write_pool(host, host->pools[i], out, error) == -1)
            return -1;
    strbuf_puts(out, "    )\n}");
    return 0;
}

int front_lighttpd(const struct front *front, struct strbuf *out, struct strbuf *error)
{
    strbuf_puts(
        out, "# Made by \"cowherd front lighttpd\"; to be included at the end of lighttpd.conf.\n"
             "# Files in an app's public folder are served by lighttpd, everything else by the app.\n"
             "server.port = 80\n"
             "server.modules += (\"mod_alias\", \"mod_rewrite\", \"mod_fastcgi\")\n"
             "# The app gets paths as the client wrote them.\n"
             "server.http-parseopts = (\"url-normalize\" => \"disable\", \"url-normalize-unreserved\" => \"disable\",\n"
             "    \"url-normalize-required\" => \"disable\", \"url-path-2f-decode\" => \"disable\",\n"
             "    \"url-path-dotseg-remove\" => \"disable\", \"url-ctrls-reject\" => \"disable\")\n\n");
    for (size_t i = 0; i < front->host_count; i++) {
        if (i > 0)
            strbuf_puts(out, "\nelse ");
        if (write_host(&front->hosts[i], out, error) == -1)
            return -1;
    }
    strbuf_puts(out, "\n");
    return 0;
}
