/* The parts of `cowherd front`: what is the same for every front end, and the writers, one for each. */
#ifndef COWHERD_FRONT_H
#define COWHERD_FRONT_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "strbuf.h"

/* The apps that answer for one host, over all pools. `apps[i]` belongs to `pools[i]`; longest paths first. */
struct front_host {
    const char *name;
    const struct config_pool **pools;
    const struct config_app **apps;
    size_t count;
};

struct front {
    const struct config_pool **pools; /* those that were asked for */
    size_t pool_count;
    struct front_host *hosts; /* names first, then "*.suffix", the longest first, then "*" */
    size_t host_count;
};

/*
 * Where a front end on this machine connects to: the first of the pool's listeners whose address is known, sockets of
 * the file system before ports. NULL when there is none (all are inherited). For a port, *host is a host that can be
 * connected to, in brackets where it has colons; for a path it is NULL.
 */
const struct config_listen *front_address(const struct config_pool *pool, const char **host);

/* Writers. 0, or -1 with a message in `error`. */
int front_apache(const struct front *front, struct strbuf *out, struct strbuf *error);
int front_caddy(const struct front *front, struct strbuf *out, struct strbuf *error);
int front_h2o(const struct front *front, struct strbuf *out, struct strbuf *error);
int front_haproxy(const struct front *front, struct strbuf *out, struct strbuf *error);
int front_lighttpd(const struct front *front, struct strbuf *out, struct strbuf *error);
int front_nginx(const struct front *front, struct strbuf *out, struct strbuf *error);

#endif
