/* Apache's httpd with mod_proxy_fcgi: a virtual host for each host. */
#include "front.h"

#include <inttypes.h>
#include <string.h>

#include "front_text.h"

static const struct front_quoting quoting = { "Apache", "\"", "\"\\", "$%|", "no $, %, | and line breaks" };

static int word(struct strbuf *out, const char *before, const char *text, const char *after, struct strbuf *error)
{
    return front_quote(&quoting, before, text, after, out, error);
}

static void write_names(const struct front_host *host, struct strbuf *out)
{
    /* The first virtual host is the one for strangers: there is no other way to say "any". */
    if (strcmp(host->name, "*") == 0)
        strbuf_puts(out, "    ServerName any.invalid\n    ServerAlias *\n");
    else if (host->name[0] == '*')
        strbuf_printf(out, "    ServerName any%s\n    ServerAlias %s\n", host->name + 1, host->name);
    else
        strbuf_printf(out, "    ServerName %s\n", host->name);
}

/* A file of the public folder is not passed on; %{REQUEST_URI} is the path here, decoded. */
static int write_files(const struct config_app *app, struct strbuf *out, struct strbuf *error)
{
    bool is_root = front_is_root(app);

    strbuf_puts(out, is_root ? "    DocumentRoot " : "    Alias ");
    if (!is_root && word(out, "", app->path, "/", error) == -1)
        return -1;
    strbuf_puts(out, is_root ? "" : " ");
    if (word(out, "", app->root, is_root ? "/public" : "/public/", error) == -1)
        return -1;
    strbuf_puts(out, "\n    <Directory ");
    if (word(out, "", app->root, "/public", error) == -1)
        return -1;
    /* No quotes: a path of an app has no blanks. */
    strbuf_puts(out, ">\n        Require all granted\n    </Directory>\n    RewriteCond %{REQUEST_URI} ^");
    if (!is_root)
        front_regex(out, app->path);
    strbuf_puts(out, "(/.*)$\n    RewriteCond ");
    if (word(out, "", app->root, "/public%1", error) == -1)
        return -1;
    strbuf_puts(out, " -f\n    RewriteRule ^ - [E=no-proxy:1,L]\n");
    return 0;
}

static int write_pass(const struct config_pool *pool, const char *path, struct strbuf *out, struct strbuf *error)
{
    const struct config_listen *listen;
    struct strbuf url = { 0 };
    char host[64];

    if (front_target(pool, &listen, host, error) == -1)
        return -1;
    strbuf_puts(out, "    ProxyPass ");
    if (word(out, "", path, "", error) == -1)
        return -1;
    strbuf_puts(out, " ");
    if (listen->type == LISTEN_UNIX) {
        strbuf_printf(&url, "|fcgi://%s%s", pool->name, path);
    } else {
        strbuf_puts(&url, "fcgi://");
        front_host_port(&url, host, listen->port);
        strbuf_puts(&url, path);
    }
    int result = listen->type == LISTEN_UNIX ? word(out, "unix:", listen->address, url.data, error)
                                             : word(out, "", url.data, "", error);
    strbuf_free(&url);
    strbuf_printf(out, " retry=0 connectiontimeout=5 timeout=%" PRId64 " flushpackets=on enablereuse=off\n",
                  front_patience_s(pool));
    return result;
}

/* mod_xsendfile is a package of its own. */
static int write_sendfile(const struct front_host *host, struct strbuf *out, struct strbuf *error)
{
    bool is_first = true;

    for (size_t i = 0; i < host->count; i++) {
        const struct config_app *app = host->apps[i];

        if (!app->sendfile.enabled || app->sendfile.header != SENDFILE_X_SENDFILE)
            continue;
        if (is_first)
            strbuf_puts(out, "    XSendFile On\n");
        is_first = false;
        strbuf_puts(out, "    XSendFilePath ");
        if (word(out, "", app->sendfile.from != NULL ? app->sendfile.from : app->root, "", error) == -1)
            return -1;
        strbuf_puts(out, "\n");
    }
    return 0;
}

static int write_host(const struct front_host *host, struct strbuf *out, struct strbuf *error)
{
    int64_t body = front_body_limit(host);

    strbuf_puts(out, "\n<VirtualHost *:80>\n");
    write_names(host, out);
    strbuf_printf(out,
                  "    LimitRequestBody %" PRId64 "\n"
                  "    AllowEncodedSlashes NoDecode\n"
                  "    MergeSlashes Off\n"
                  "    <Location />\n        CGIPassAuth On\n    </Location>\n"
                  "    SetEnv proxy-sendcl 1\n"
                  "    RewriteEngine On\n",
                  body);
    for (size_t i = 0; i < host->count; i++)
        if (write_files(host->apps[i], out, error) == -1)
            return -1;
    for (size_t i = 0; i < host->count; i++)
        if (write_pass(host->pools[i], host->apps[i]->path, out, error) == -1)
            return -1;
    if (front_root_app(host) == NULL && write_pass(host->pools[0], "/", out, error) == -1)
        return -1;
    if (write_sendfile(host, out, error) == -1)
        return -1;
    strbuf_puts(out, "</VirtualHost>\n");
    return 0;
}

int front_apache(const struct front *front, struct strbuf *out, struct strbuf *error)
{
    strbuf_puts(
        out, "# Made by \"cowherd front apache\"; a site of Apache's with mod_proxy_fcgi, mod_rewrite and mod_alias.\n"
             "# Files in an app's public folder are served by Apache, everything else by the app.\n");
    for (size_t i = 0; i < front->host_count; i++)
        if (write_host(&front->hosts[i], out, error) == -1)
            return -1;
    return 0;
}
