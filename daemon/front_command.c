#include "front_command.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command_line.h"
#include "front.h"
#include "xalloc.h"

static const struct {
    const char *name;
    int (*write)(const struct front *front, struct strbuf *out, struct strbuf *error);
} servers[] = {
    { "nginx", front_nginx },     { "lighttpd", front_lighttpd }, { "apache", front_apache },
    { "haproxy", front_haproxy }, { "caddy", front_caddy },       { "h2o", front_h2o },
};
#define SERVERS (sizeof servers / sizeof servers[0])

const struct config_listen *front_address(const struct config_pool *pool, const char **host)
{
    static const struct {
        const char *any;
        const char *connectable;
    } wildcards[] = { { "0.0.0.0", "127.0.0.1" }, { "*", "127.0.0.1" }, { "::", "[::1]" } };
    const struct config_listen *best = NULL;

    for (size_t i = 0; i < pool->listen_count; i++) {
        const struct config_listen *listen = &pool->listen[i];

        if (listen->type == LISTEN_UNIX && (best == NULL || best->type != LISTEN_UNIX))
            best = listen;
        else if (listen->type == LISTEN_TCP && best == NULL)
            best = listen;
    }
    *host = NULL;
    if (best != NULL && best->type == LISTEN_TCP) {
        *host = best->host;
        for (size_t i = 0; i < sizeof wildcards / sizeof wildcards[0]; i++)
            if (strcmp(best->host, wildcards[i].any) == 0)
                *host = wildcards[i].connectable;
    }
    return best;
}

static struct front_host *host_of(struct front *front, const char *name)
{
    for (size_t i = 0; i < front->host_count; i++)
        if (strcmp(front->hosts[i].name, name) == 0)
            return &front->hosts[i];
    front->hosts = xreallocarray(front->hosts, front->host_count + 1, sizeof *front->hosts);
    front->hosts[front->host_count] = (struct front_host){ .name = name };
    return &front->hosts[front->host_count++];
}

static size_t host_rank(const char *name)
{
    return name[0] == '*' ? strlen(name) : SIZE_MAX;
}

/* Keeps the longest path first. The first of two apps with one host and path wins. */
static void add_app(struct front_host *host, const struct config_pool *pool, const struct config_app *app)
{
    size_t place = host->count;

    for (size_t i = 0; i < host->count; i++)
        if (strcmp(host->apps[i]->path, app->path) == 0)
            return;
    host->pools = xreallocarray(host->pools, host->count + 1, sizeof *host->pools);
    host->apps = xreallocarray(host->apps, host->count + 1, sizeof *host->apps);
    for (; place > 0 && strlen(host->apps[place - 1]->path) < strlen(app->path); place--) {
        host->pools[place] = host->pools[place - 1];
        host->apps[place] = host->apps[place - 1];
    }
    host->pools[place] = pool;
    host->apps[place] = app;
    host->count++;
}

/* Servers that take the first host that fits need them in this order. */
static void sort_hosts(struct front *front)
{
    for (size_t i = 1; i < front->host_count; i++) {
        struct front_host host = front->hosts[i];
        size_t place = i;

        for (; place > 0 && host_rank(front->hosts[place - 1].name) < host_rank(host.name); place--)
            front->hosts[place] = front->hosts[place - 1];
        front->hosts[place] = host;
    }
}

static void collect(const struct config *config, const char *pool, struct front *front)
{
    front->pools = xcalloc(config->pool_count, sizeof *front->pools);
    for (size_t i = 0; i < config->pool_count; i++) {
        const struct config_pool *candidate = &config->pools[i];

        if (pool != NULL && strcmp(candidate->name, pool) != 0)
            continue;
        front->pools[front->pool_count++] = candidate;
        for (size_t j = 0; j < candidate->app_count; j++)
            add_app(host_of(front, candidate->apps[j].host), candidate, &candidate->apps[j]);
    }
    sort_hosts(front);
}

static void release(struct front *front)
{
    for (size_t i = 0; i < front->host_count; i++) {
        free(front->hosts[i].pools);
        free(front->hosts[i].apps);
    }
    free(front->hosts);
    free(front->pools);
}

static void say_known(const char *server)
{
    fprintf(stderr, "cowherd front: not known: %s; known:", server);
    for (size_t i = 0; i < SERVERS; i++)
        fprintf(stderr, " %s", servers[i].name);
    fputc('\n', stderr);
}

static void say_pools(const struct config *config, const char *pool)
{
    fprintf(stderr, "cowherd front: there is no pool \"%s\"; the pools are:", pool);
    for (size_t i = 0; i < config->pool_count; i++)
        fprintf(stderr, " %s", config->pools[i].name);
    fputc('\n', stderr);
}

int front_command(const struct config *config, const char *server, const char *pool, struct strbuf *out)
{
    struct front front = { 0 };
    struct strbuf text = { 0 }, error = { 0 };
    size_t chosen = 0;
    int status = 0;

    while (chosen < SERVERS && strcmp(servers[chosen].name, server) != 0)
        chosen++;
    if (chosen == SERVERS) {
        say_known(server);
        return EXIT_USAGE;
    }
    if (pool != NULL && config_pool_find(config, pool) == NULL) {
        say_pools(config, pool);
        return EXIT_USAGE;
    }
    collect(config, pool, &front);
    if (servers[chosen].write(&front, &text, &error) == 0) {
        strbuf_append(out, text.data, text.length);
    } else {
        fprintf(stderr, "cowherd front: %s\n", error.data);
        status = 1;
    }
    strbuf_free(&text);
    strbuf_free(&error);
    release(&front);
    return status;
}
