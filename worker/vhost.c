#include "vhost.h"

#include <stdbool.h>
#include <string.h>

#define HOST_MAX 255 /* RFC 1035; a longer one can't be any app's */

static char ascii_lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

/* Without port and trailing dot, in lower case. Returns the length; 0 for a host that no app can have. */
static size_t normalise_host(const char *host, char out[HOST_MAX + 1])
{
    size_t length = 0;

    if (host == NULL)
        return 0;
    if (host[0] == '[') {
        const char *end = strchr(host, ']');
        length = end != NULL ? (size_t)(end - host) + 1 : 0;
    } else {
        length = strcspn(host, ":");
        if (length > 1 && host[length - 1] == '.')
            length--;
    }
    if (length > HOST_MAX)
        return 0;
    for (size_t i = 0; i < length; i++)
        out[i] = ascii_lower(host[i]);
    out[length] = '\0';
    return length;
}

/* How well `pattern` fits: 0 not at all, 1 for "*", more for longer suffixes, most for the host itself. */
static size_t host_rank(const char *pattern, const char *host, size_t length)
{
    if (pattern[0] != '*')
        return pattern[0] == host[0] && length > 0 && strcmp(pattern, host) == 0 ? HOST_MAX + 2 : 0;

    size_t suffix = strlen(pattern + 1);

    if (suffix == 0)
        return 1;
    if (suffix >= length || memcmp(host + length - suffix, pattern + 1, suffix) != 0)
        return 0;
    return suffix + 1;
}

/* Length of the prefix that fits plus one, 0 when it doesn't: "/a" is a prefix of "/a" and "/a/b", not of "/ab". */
static size_t path_rank(const char *prefix, const char *path)
{
    if (prefix[0] == '/' && prefix[1] == '\0')
        return 1;

    size_t length = strlen(prefix);

    if (strncmp(prefix, path, length) != 0 || (path[length] != '/' && path[length] != '\0'))
        return 0;
    return length + 1;
}

/* One pass that keeps the best fit: two or three microseconds for 500 apps (test/bench/bench_rack.c). */
long vhost_match(const struct config_app *apps, size_t count, const char *host, const char *path)
{
    char name[HOST_MAX + 1] = "";
    size_t length = normalise_host(host, name);
    size_t best_host = 0, best_path = 0;
    long best = -1;

    for (size_t i = 0; i < count; i++) {
        size_t rank = host_rank(apps[i].host, name, length);
        if (rank == 0 || rank < best_host)
            continue;

        size_t prefix = path_rank(apps[i].path, path);
        if (prefix == 0 || (rank == best_host && prefix <= best_path))
            continue;
        best_host = rank;
        best_path = prefix;
        best = (long)i;
    }
    return best;
}

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte = ascii_lower(byte);
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Skips "http://host" of the absolute form. */
static const char *skip_authority(const char *uri)
{
    size_t scheme = strspn(uri, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

    if (scheme == 0 || strncmp(uri + scheme, "://", 3) != 0)
        return uri;
    uri += scheme + 3;
    return uri + strcspn(uri, "/?#");
}

int vhost_path(const char *uri, char *out)
{
    const char *at = uri[0] == '/' ? uri : skip_authority(uri);

    if (at != uri && *at != '/') {
        strcpy(out, "/"); /* "http://host" is the root (RFC 9110, 4.2.3) */
        return 0;
    }
    if (*at != '/')
        return -1;
    for (; *at != '\0' && *at != '?' && *at != '#'; at++) {
        if (*at != '%') {
            *out++ = *at;
            continue;
        }

        int high = hex_digit(at[1]);
        int low = high >= 0 ? hex_digit(at[2]) : -1;
        if (low < 0 || (high == 0 && low == 0))
            return -1;
        *out++ = (char)(high * 16 + low);
        at += 2;
    }
    *out = '\0';
    return 0;
}
