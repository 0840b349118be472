#include "front_text.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"

#define READ_MARGIN_S 5
#define READ_UNLIMITED_S 86400

int front_quote(const struct front_quoting *how, const char *before, const char *word, const char *after,
                struct strbuf *out, struct strbuf *error)
{
    if (strpbrk(word, how->forbidden) != NULL || strpbrk(word, "\n\r") != NULL) {
        strbuf_printf(error, "%s can't express \"%s\": %s", how->server, word, how->said);
        return -1;
    }
    strbuf_printf(out, "%s%s", how->quote, before);
    for (; *word != '\0'; word++) {
        if (strchr(how->escaped, *word) != NULL)
            strbuf_puts(out, "\\");
        strbuf_append(out, word, 1);
    }
    strbuf_printf(out, "%s%s", after, how->quote);
    return 0;
}

void front_regex(struct strbuf *out, const char *word)
{
    for (; *word != '\0'; word++) {
        if (strchr("\\^$.|?*+()[]{}", *word) != NULL)
            strbuf_puts(out, "\\");
        strbuf_append(out, word, 1);
    }
}

void front_host_regex(struct strbuf *out, const char *host)
{
    strbuf_puts(out, "^");
    if (host[0] == '*')
        strbuf_puts(out, ".+");
    front_regex(out, host[0] == '*' ? host + 1 : host);
    strbuf_puts(out, "\\.?(:[0-9]+)?$");
}

int front_target(const struct config_pool *pool, const struct config_listen **listen, char host[64],
                 struct strbuf *error)
{
    const char *name;

    *listen = front_address(pool, &name);
    if (*listen == NULL) {
        strbuf_printf(error, "pool %s: none of its listeners has an address of its own", pool->name);
        return -1;
    }
    host[0] = '\0';
    if (name != NULL && name[0] == '[')
        snprintf(host, 64, "%.*s", (int)strcspn(name + 1, "]"), name + 1);
    else if (name != NULL)
        snprintf(host, 64, "%s", name);
    return 0;
}

void front_host_port(struct strbuf *out, const char *host, const char *port)
{
    bool has_colon = strchr(host, ':') != NULL;

    strbuf_printf(out, "%s%s%s:%s", has_colon ? "[" : "", host, has_colon ? "]" : "", port);
}

int64_t front_patience_s(const struct config_pool *pool)
{
    if (pool->timeouts.hard_ns == 0)
        return READ_UNLIMITED_S;
    return (pool->timeouts.hard_ns + CLOCK_NS_PER_S - 1) / CLOCK_NS_PER_S + READ_MARGIN_S;
}

int64_t front_body_limit(const struct front_host *host)
{
    int64_t body = 0;

    for (size_t i = 0; i < host->count; i++) {
        int64_t limit = host->pools[i]->limits.body;

        if (limit == 0)
            return 0;
        body = limit > body ? limit : body;
    }
    return body;
}

bool front_is_first_of_pool(const struct front_host *host, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (host->pools[i] == host->pools[index])
            return false;
    return true;
}

const struct config_app *front_root_app(const struct front_host *host)
{
    for (size_t i = 0; i < host->count; i++)
        if (front_is_root(host->apps[i]))
            return host->apps[i];
    return NULL;
}
