/* h2o: a host of its configuration for each host, in YAML. Its file.dir leaves no folder to what comes after it. */
#include "front.h"

#include <inttypes.h>
#include <string.h>

#include "front_text.h"

static const struct front_quoting quoting = { "h2o", "\"", "\"\\", "", "no line breaks" };

static int word(struct strbuf *out, const char *before, const char *text, const char *after, struct strbuf *error)
{
    return front_quote(&quoting, before, text, after, out, error);
}

static int write_pass(const struct config_pool *pool, struct strbuf *out, struct strbuf *error)
{
    const struct config_listen *listen;
    char host[64];

    if (front_target(pool, &listen, host, error) == -1)
        return -1;
    strbuf_puts(out, "        fastcgi.connect:\n");
    if (listen->type == LISTEN_UNIX) {
        strbuf_puts(out, "          type: unix\n          port: ");
        if (word(out, "", listen->address, "", error) == -1)
            return -1;
    } else {
        strbuf_printf(out, "          host: \"%s\"\n          port: %s", host, listen->port);
    }
    strbuf_puts(out, "\n");
    return 0;
}

static int write_app(const struct config_pool *pool, const struct config_app *app, struct strbuf *out,
                     struct strbuf *error)
{
    strbuf_puts(out, "      ");
    if (word(out, "", app->path, "", error) == -1)
        return -1;
    strbuf_puts(out, ":\n");
    return write_pass(pool, out, error);
}

static int write_host(const struct front_host *host, struct strbuf *out, struct strbuf *error)
{
    strbuf_printf(out, "  \"%s\":\n    paths:\n", host->name);
    for (size_t i = 0; i < host->count; i++)
        if (write_app(host->pools[i], host->apps[i], out, error) == -1)
            return -1;
    if (front_root_app(host) == NULL) {
        strbuf_puts(out, "      \"/\":\n");
        if (write_pass(host->pools[0], out, error) == -1)
            return -1;
    }
    return 0;
}

/* Both are the server's, not a host's or a path's. */
static void write_limits(const struct front *front, struct strbuf *out)
{
    int64_t patience = 0, body = 0;
    bool is_unlimited = false;

    for (size_t i = 0; i < front->pool_count; i++) {
        int64_t seconds = front_patience_s(front->pools[i]);

        patience = seconds > patience ? seconds : patience;
        is_unlimited = is_unlimited || front->pools[i]->limits.body == 0;
        body = front->pools[i]->limits.body > body ? front->pools[i]->limits.body : body;
    }
    strbuf_printf(out, "limit-request-body: %" PRId64 "\n", is_unlimited ? INT64_C(1) << 40 : body);
    strbuf_printf(out, "fastcgi.timeout.io: %" PRId64 "\nfastcgi.timeout.keepalive: 0\n", patience * 1000);
}

int front_h2o(const struct front *front, struct strbuf *out, struct strbuf *error)
{
    strbuf_puts(out,
                "# Made by \"cowherd front h2o\"; belongs into h2o.conf.\n"
                "# h2o would answer for folders, too (403, 301): the apps have to serve what is in public folders.\n"
                "listen:\n  port: 80\n");
    write_limits(front, out);
    strbuf_puts(out, "hosts:\n");
    for (size_t i = 0; i < front->host_count; i++)
        if (write_host(&front->hosts[i], out, error) == -1)
            return -1;
    return 0;
}
