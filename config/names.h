/*
 * The syntax of names and addresses in the configuration: hosts, URL paths, user names, listeners, network prefixes.
 * Only the syntax: nothing is looked up. Each returns NULL when all is well, else a phrase for the message, a
 * constant: "expected ...".
 */
#ifndef COWHERD_NAMES_H
#define COWHERD_NAMES_H

#include <stdbool.h>

#include "config.h"

/* A pool, a shared interpreter: letters, digits, `_`, `-` and `.`, at most 63, none of `-.` first. */
const char *name_check_identifier(const char *text);

/* A user or group by name. */
const char *name_check_account(const char *text);

/* An environment variable's name. */
const char *name_check_variable(const char *text);

/* A name of a file in whatever directory: no slash. */
const char *name_check_file(const char *text);

/* `blog.example.org`, `*.example.org`, `*`, `192.0.2.1`, `[2001:db8::1]`; *host gets it in lower case. */
const char *name_parse_host(const char *text, char **host);

/* The prefix of an app: `/` or `/wiki`; *path gets it without trailing slashes. */
const char *name_parse_url_path(const char *text, char **path);

/* A request's path with a query perhaps, as it stands in a request line. */
const char *name_check_request(const char *text);

/* An address or a prefix of IPv4 or IPv6; *prefix gets its canonical spelling. */
const char *name_parse_prefix(const char *text, char **prefix);

/* The longest path that fits into a socket address. */
#define SOCKET_PATH_MAX 107

/*
 * What a pool listens on. A text without a colon, or that starts with `/` or `.`, is a path, relative to `directory`.
 * The strings in *listen are the caller's.
 */
const char *name_parse_listen(const char *text, const char *directory, struct config_listen *listen);

/* A TCP address that other machines cannot reach. */
bool listen_is_loopback(const struct config_listen *listen);

void listen_free(struct config_listen *listen);

#endif
