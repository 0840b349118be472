#include "names.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "values.h"
#include "xalloc.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

const char *name_check_identifier(const char *text)
{
    static const char expected[] = "expected a name of letters, digits, _, - and . (at most 63, a letter, digit or _ "
                                   "first)";
    size_t length = strlen(text);
    bool good = length > 0 && length <= 63 && text[0] != '-' && text[0] != '.' &&
                text[strspn(text, LOWER UPPER DIGITS "_-.")] == '\0';
    return good ? NULL : expected;
}

const char *name_check_account(const char *text)
{
    static const char expected[] = "expected the name of an account";
    size_t length = strlen(text);
    if (length == 0 || length > 255 || text[0] == '-' || text[0] == '+' || text[0] == '~')
        return expected;
    for (size_t i = 0; i < length; i++) {
        if (!isgraph((unsigned char)text[i]) || strchr(":/,", text[i]) != NULL)
            return expected;
    }
    return strspn(text, DIGITS) == length ? "expected the name of an account, not a number" : NULL;
}

const char *name_check_variable(const char *text)
{
    bool good =
        text[0] != '\0' && strchr(DIGITS, text[0]) == NULL && text[strspn(text, LOWER UPPER DIGITS "_")] == '\0';
    if (good && strlen(text) <= 255)
        return NULL;
    return "expected a variable's name of letters, digits and _";
}

const char *name_check_file(const char *text)
{
    bool good = text[0] != '\0' && strchr(text, '/') == NULL && strcmp(text, ".") != 0 && strcmp(text, "..") != 0 &&
                strlen(text) <= 255;
    return good ? NULL : "expected the name of a file, without a directory";
}

/* Labels between dots, each of letters, digits, - and _. */
static bool is_host_name(const char *text)
{
    if (strlen(text) > 253)
        return false;
    for (;;) {
        size_t length = strcspn(text, ".");
        if (length == 0 || length > 63 || strspn(text, LOWER DIGITS "_-") != length || text[0] == '-' ||
            text[length - 1] == '-')
            return false;
        if (text[length] == '\0')
            return true;
        text += length + 1;
    }
}

static bool is_bracketed_ipv6(const char *text)
{
    struct in6_addr address;
    char inner[INET6_ADDRSTRLEN];
    size_t length = strlen(text);
    if (length < 4 || length - 2 >= sizeof inner || text[0] != '[' || text[length - 1] != ']')
        return false;
    snprintf(inner, sizeof inner, "%.*s", (int)length - 2, text + 1);
    return inet_pton(AF_INET6, inner, &address) == 1;
}

const char *name_parse_host(const char *text, char **host)
{
    char *lower = xstrdup(text);
    for (char *letter = lower; *letter != '\0'; letter++) {
        if (*letter >= 'A' && *letter <= 'Z')
            *letter = (char)(*letter + ('a' - 'A'));
    }
    const char *name = strncmp(lower, "*.", 2) == 0 ? lower + 2 : lower;
    if (strcmp(lower, "*") == 0 || is_host_name(name) || is_bracketed_ipv6(lower)) {
        *host = lower;
        return NULL;
    }
    const char *colon = strrchr(lower, ':');
    bool has_port = colon != NULL && colon[1] != '\0' && strspn(colon + 1, DIGITS) == strlen(colon + 1);
    free(lower);
    if (has_port)
        return "expected a host without its port, which plays no part";
    for (const char *byte = text; *byte != '\0'; byte++) {
        if ((unsigned char)*byte >= 0x80)
            return "expected a host in its ASCII form (xn--...)";
    }
    return "expected a host such as blog.example.org, *.example.org or *";
}

/* Printable ASCII and whatever is not ASCII. */
static bool is_url_text(const char *text, const char *forbidden)
{
    for (const char *byte = text; *byte != '\0'; byte++) {
        if ((unsigned char)*byte <= ' ' || *byte == 0x7F || strchr(forbidden, *byte) != NULL)
            return false;
    }
    return true;
}

const char *name_parse_url_path(const char *text, char **path)
{
    static const char expected[] = "expected a path that begins with /, such as / or /wiki";
    if (text[0] != '/' || strlen(text) > 1024 || !is_url_text(text, "?#\"<>\\"))
        return expected;
    size_t length = strlen(text);
    while (length > 1 && text[length - 1] == '/')
        length--;
    char *stripped = xstrndup(text, length);
    for (const char *slash = stripped; slash != NULL && stripped[1] != '\0'; slash = strchr(slash + 1, '/')) {
        size_t part = strcspn(slash + 1, "/");
        bool dots = strspn(slash + 1, ".") == part && part <= 2;
        if (dots) { /* or nothing at all */
            free(stripped);
            return "expected a path without empty parts, . and ..";
        }
    }
    *path = stripped;
    return NULL;
}

const char *name_check_request(const char *text)
{
    if (text[0] == '/' && strlen(text) <= 4096 && is_url_text(text, "#"))
        return NULL;
    return "expected the path of a request, such as / or /feed?format=atom";
}

const char *name_parse_prefix(const char *text, char **prefix)
{
    static const char expected[] = "expected an address or a prefix such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32";
    const char *slash = strchr(text, '/');
    char *number = slash ? xstrndup(text, (size_t)(slash - text)) : xstrdup(text);
    unsigned char bytes[16];
    char canonical[INET6_ADDRSTRLEN];
    int family = strchr(number, ':') ? AF_INET6 : AF_INET;
    int64_t width = family == AF_INET6 ? 128 : 32, bits = width;
    const char *problem = NULL;

    if (inet_pton(family, number, bytes) != 1 ||
        (slash != NULL && (value_integer(slash + 1, &bits) != VALUE_OK || bits < 0 || bits > width)))
        problem = expected;
    for (int64_t bit = bits; problem == NULL && bit < width; bit++) {
        if (bytes[bit / 8] >> (7 - bit % 8) & 1)
            problem = "expected a prefix with no bit set beyond its length";
    }
    if (problem == NULL) {
        inet_ntop(family, bytes, canonical, sizeof canonical);
        *prefix = bits == width ? xstrdup(canonical) : xasprintf("%s/%d", canonical, (int)bits);
    }
    free(number);
    return problem;
}

static const char expected_listen[] = "expected /a/path, 127.0.0.1:9000, [::1]:9000, systemd:NAME or starter:PORT";

static const char *parse_tcp(const char *text, struct config_listen *listen)
{
    unsigned char bytes[16];
    char canonical[INET6_ADDRSTRLEN];
    int64_t port;
    const char *colon = strrchr(text, ':');
    if (value_integer(colon + 1, &port) != VALUE_OK)
        return expected_listen;
    if (port < 1 || port > 65535)
        return "expected a port from 1 to 65535";

    bool brackets = text[0] == '[' && colon > text + 1 && colon[-1] == ']';
    char *host = brackets ? xstrndup(text + 1, (size_t)(colon - text - 2)) : xstrndup(text, (size_t)(colon - text));
    if (!brackets && strcmp(host, "localhost") == 0) {
        free(host);
        host = xstrdup("127.0.0.1");
    }
    int family = brackets ? AF_INET6 : AF_INET;
    bool good = inet_pton(family, host, bytes) == 1;
    free(host);
    if (!good)
        return "expected an address in numbers, 127.0.0.1:9000 or [::1]:9000";
    inet_ntop(family, bytes, canonical, sizeof canonical);
    listen->type = LISTEN_TCP;
    listen->host = xstrdup(canonical);
    listen->port = xasprintf("%d", (int)port);
    listen->address = xasprintf(brackets ? "[%s]:%s" : "%s:%s", listen->host, listen->port);
    return NULL;
}

static const char *parse_unix(const char *text, const char *directory, struct config_listen *listen)
{
    if (text[0] == '\0' || strspn(text, DIGITS) == strlen(text))
        return expected_listen; /* a port alone doesn't say who may reach it */
    char *path = value_path(directory, text);
    if (strlen(path) > SOCKET_PATH_MAX || strcmp(path, "/") == 0) {
        free(path);
        return "expected the path of a socket, of at most 107 bytes";
    }
    listen->type = LISTEN_UNIX;
    listen->address = path;
    return NULL;
}

const char *name_parse_listen(const char *text, const char *directory, struct config_listen *listen)
{
    *listen = (struct config_listen){ 0 };
    if (text[0] == '/' || text[0] == '.' || strchr(text, ':') == NULL)
        return parse_unix(text, directory, listen);

    const char *value = strchr(text, ':') + 1;
    bool systemd = strncmp(text, "systemd:", 8) == 0, starter = strncmp(text, "starter:", 8) == 0;
    if (!systemd && !starter)
        return parse_tcp(text, listen);
    if (value[0] == '\0' || strlen(value) > 255 || !is_url_text(value, systemd ? ":" : ""))
        return expected_listen;
    listen->type = systemd ? LISTEN_SYSTEMD : LISTEN_STARTER;
    listen->address = xstrdup(text);
    listen->port = starter ? xstrdup(value) : NULL;
    return NULL;
}

bool listen_is_loopback(const struct config_listen *listen)
{
    struct in_addr ipv4;
    struct in6_addr ipv6;
    if (inet_pton(AF_INET, listen->host, &ipv4) == 1)
        return ntohl(ipv4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, listen->host, &ipv6) == 1 && IN6_IS_ADDR_LOOPBACK(&ipv6);
}

void listen_free(struct config_listen *listen)
{
    free(listen->address);
    free(listen->host);
    free(listen->port);
    *listen = (struct config_listen){ 0 };
}
