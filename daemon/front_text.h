/* What several writers of `cowherd front` need: quoting, targets, limits. */
#ifndef COWHERD_FRONT_TEXT_H
#define COWHERD_FRONT_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "front.h"

/* How a server writes a word in quotes: what gets a backslash, and what it can't express. */
struct front_quoting {
    const char *server;
    const char *quote;
    const char *escaped;
    const char *forbidden; /* beside line breaks */
    const char *said;      /* "no dollar signs and line breaks" */
};

/* "BEFOREwordAFTER"; before and after are written as they are. 0, or -1 with a message in `error`. */
int front_quote(const struct front_quoting *how, const char *before, const char *word, const char *after,
                struct strbuf *out, struct strbuf *error);

/* The word as a regular expression that matches it alone. */
void front_regex(struct strbuf *out, const char *word);

/* The host and perhaps a port as a regular expression, anchored at both ends. Not for "*". */
void front_host_regex(struct strbuf *out, const char *host);

/* As front_address. -1 with a message when the pool has none; a host of IPv6 has no brackets here. */
int front_target(const struct config_pool *pool, const struct config_listen **listen, char host[64],
                 struct strbuf *error);

/* HOST:PORT as in a URL. */
void front_host_port(struct strbuf *out, const char *host, const char *port);

/* How long to wait for an answer: longer than the hard time-out, for cowherd's own answer must come first. */
int64_t front_patience_s(const struct config_pool *pool);

/* The largest body that a pool of the host takes, in bytes; 0: no limit. */
int64_t front_body_limit(const struct front_host *host);

/* The app is the first one of its pool in this host. */
bool front_is_first_of_pool(const struct front_host *host, size_t index);

/* The host's app at "/", NULL when it has none. */
const struct config_app *front_root_app(const struct front_host *host);

static inline bool front_is_root(const struct config_app *app)
{
    return app->path[1] == '\0';
}

#endif
