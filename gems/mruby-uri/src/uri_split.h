/* A URI in its parts (RFC 3986), without copying. */
#ifndef MRUBY_URI_SPLIT_H
#define MRUBY_URI_SPLIT_H

#include <stdbool.h>
#include <stddef.h>

/* `text` NULL: there is none. */
struct uri_part {
    const char *text;
    size_t length;
};

struct uri_parts {
    struct uri_part scheme, userinfo, host, port, path, opaque, query, fragment;
};

/* False: it is no URI. A host in brackets keeps them. */
bool uri_split(const char *text, size_t length, struct uri_parts *parts);

#endif
