/*
 * Which app answers: by Host (exact, then the longest "*.suffix", then "*"; port and case ignored), then by the longest
 * path prefix at a segment boundary. Pure.
 */
#ifndef COWHERD_VHOST_H
#define COWHERD_VHOST_H

#include <stddef.h>

#include "config.h"

/*
 * The index of the app for `host` (as in the Host header: may have a port, a trailing dot, capitals; NULL or "" matches
 * "*" only) and `path` (percent-decoded, starts with "/"). -1 when there is none. When the best host has no app for the
 * path, the next best host is tried.
 */
long vhost_match(const struct config_app *apps, size_t count, const char *host, const char *path);

/*
 * The path part of a REQUEST_URI ("/a%20b?x=1", or the absolute form "http://host/a"), percent-decoded into `out`
 * (at least strlen(uri) + 1 bytes). 0, or -1 when it has a NUL, a bad escape, or no path ("http://host" alone is "/").
 * "+" stays, "//" and dot segments are left as they came.
 */
int vhost_path(const char *uri, char *out);

#endif
