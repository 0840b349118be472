#include "inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xalloc.h"

#define FIRST_FD 3        /* sd_listen_fds(3) */
#define UNNAMED "unknown" /* what systemd calls a socket without a name */
#define SOCKETS_MAX 1024

/* A decimal number from `min` to `max`, and nothing else; -1 otherwise. */
static long number(const char *text, size_t length, long min, long max)
{
    long value = 0;
    if (length == 0)
        return -1;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9' || value > (max - (text[i] - '0')) / 10)
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value >= min ? value : -1;
}

static void complain(struct inherited *inherited, char *complaint)
{
    if (inherited->complaint)
        free(complaint);
    else
        inherited->complaint = complaint;
}

static void add(struct inherited *inherited, enum config_listen_type type, char *name, int fd)
{
    inherited->items = xreallocarray(inherited->items, inherited->count + 1, sizeof *inherited->items);
    inherited->items[inherited->count++] = (struct inherited_socket){ .type = type, .name = name, .fd = fd };
}

void inherited_parse_systemd(struct inherited *inherited, const char *fds, const char *pid, const char *names,
                             pid_t self)
{
    if (!fds || !pid)
        return;
    if (number(pid, strlen(pid), 1, INT_MAX) != self) {
        complain(inherited, xasprintf("LISTEN_PID is %s: the sockets of systemd are meant for another process", pid));
        return;
    }
    long count = number(fds, strlen(fds), 0, SOCKETS_MAX);
    if (count < 0) {
        complain(inherited, xasprintf("LISTEN_FDS is \"%s\", and no number of sockets", fds));
        return;
    }
    const char *name = names;
    for (int fd = FIRST_FD; fd < FIRST_FD + count; fd++) {
        size_t length = name ? strcspn(name, ":") : 0;
        add(inherited, LISTEN_SYSTEMD, length > 0 ? xstrndup(name, length) : xstrdup(UNNAMED), fd);
        name = name && name[length] == ':' ? name + length + 1 : NULL;
    }
}

void inherited_parse_starter(struct inherited *inherited, const char *ports)
{
    while (ports && *ports) {
        size_t length = strcspn(ports, ";");
        const char *equals = memrchr(ports, '=', length);
        size_t before = equals ? (size_t)(equals - ports) : 0;
        long fd = equals ? number(equals + 1, length - before - 1, 0, INT_MAX) : -1;
        if (before > 0 && fd >= 0)
            add(inherited, LISTEN_STARTER, xstrndup(ports, before), (int)fd);
        else
            complain(inherited,
                     xasprintf("SERVER_STARTER_PORT: \"%.*s\" is not ADDRESS=DESCRIPTOR", (int)length, ports));
        ports += length + (ports[length] == ';');
    }
}

void inherited_take(struct inherited *inherited)
{
    inherited_parse_systemd(inherited, getenv("LISTEN_FDS"), getenv("LISTEN_PID"), getenv("LISTEN_FDNAMES"), getpid());
    inherited_parse_starter(inherited, getenv("SERVER_STARTER_PORT"));
    size_t kept = 0;
    for (size_t i = 0; i < inherited->count; i++) {
        struct inherited_socket *socket = &inherited->items[i];
        int flags = fcntl(socket->fd, F_GETFD);
        if (flags >= 0 && fcntl(socket->fd, F_SETFD, flags | FD_CLOEXEC) == 0) {
            inherited->items[kept++] = *socket;
            continue;
        }
        complain(inherited, xasprintf("the inherited socket %s: descriptor %d is not open", socket->name, socket->fd));
        free(socket->name);
    }
    inherited->count = kept;
}

void inherited_free(struct inherited *inherited)
{
    for (size_t i = 0; i < inherited->count; i++)
        free(inherited->items[i].name);
    free(inherited->items);
    free(inherited->complaint);
    *inherited = (struct inherited){ 0 };
}

/* What the configuration says behind "systemd:" or "starter:". */
static const char *wanted_name(const struct config_listen *listen)
{
    return strchr(listen->address, ':') + 1;
}

static bool is_exact(const struct inherited_socket *socket, const struct config_listen *listen)
{
    return socket->type == listen->type && strcmp(socket->name, wanted_name(listen)) == 0;
}

/* starter:9000 is also 127.0.0.1:9000, where there is no 9000 of its own. */
static bool has_port(const struct inherited_socket *socket, const struct config_listen *listen)
{
    const char *wanted = wanted_name(listen), *colon = strrchr(socket->name, ':');
    return listen->type == LISTEN_STARTER && socket->type == LISTEN_STARTER && *socket->name != '/' && colon &&
           strspn(wanted, "0123456789") == strlen(wanted) && strcmp(colon + 1, wanted) == 0;
}

const struct inherited_socket *inherited_find(const struct inherited *inherited, const struct config_listen *listen,
                                              const struct inherited_socket *after)
{
    bool (*matches)(const struct inherited_socket *, const struct config_listen *) = has_port;
    for (size_t i = 0; i < inherited->count; i++)
        if (is_exact(&inherited->items[i], listen))
            matches = is_exact;
    for (size_t i = after ? (size_t)(after - inherited->items) + 1 : 0; i < inherited->count; i++)
        if (matches(&inherited->items[i], listen))
            return &inherited->items[i];
    return NULL;
}

void inherited_explain(const struct inherited *inherited, const struct config_listen *listen, struct strbuf *error)
{
    bool systemd = listen->type == LISTEN_SYSTEMD;
    const char *giver = systemd ? "systemd" : "start_server";
    size_t found = 0;
    strbuf_printf(error, "%s: %s has handed over no socket of that name", listen->address, giver);
    for (size_t i = 0; i < inherited->count; i++)
        if (inherited->items[i].type == listen->type)
            strbuf_printf(error, "%s%s", found++ ? ", " : "; there is ", inherited->items[i].name);
    if (found == 0)
        strbuf_printf(error, ", nor any other (%s)",
                      inherited->complaint ? inherited->complaint
                      : systemd            ? "LISTEN_FDS is not set"
                                           : "SERVER_STARTER_PORT is not set");
}

int inherited_check(const struct inherited_socket *socket, const char *address, struct strbuf *error)
{
    int type = 0, listening = 0, family = 0;
    socklen_t size = sizeof(int);
    const char *problem = NULL;
    if (getsockopt(socket->fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        problem = errno == ENOTSOCK ? "is no socket" : strerror(errno);
    else if (type != SOCK_STREAM)
        problem = "is no stream socket";
    else if (getsockopt(socket->fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 || !listening)
        problem = "does not listen";
    else if (getsockopt(socket->fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0 ||
             (family != AF_UNIX && family != AF_INET && family != AF_INET6))
        problem = "is neither a unix nor a TCP socket";
    int flags = problem ? 0 : fcntl(socket->fd, F_GETFL);
    if (!problem && (flags < 0 || fcntl(socket->fd, F_SETFL, flags | O_NONBLOCK) < 0))
        problem = "can't be made non-blocking";
    if (!problem)
        return 0;
    strbuf_printf(error, "%s: descriptor %d, which %s has handed over, %s", address, socket->fd,
                  socket->type == LISTEN_SYSTEMD ? "systemd" : "start_server", problem);
    return -1;
}
