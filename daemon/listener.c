#include "listener.h"

#include <errno.h>
#include <grp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "xalloc.h"

static struct listener *find(const struct listener_set *set, const char *address)
{
    for (struct listener *listener = set->first; listener; listener = listener->next)
        if (strcmp(listener->address, address) == 0)
            return listener;
    return NULL;
}

/* 0: nothing lives at the path (a stale file was removed); -1: `error` says what does. */
static int clear_stale_socket(const char *path, const struct sockaddr_un *address, struct strbuf *error)
{
    struct stat status;
    if (lstat(path, &status) < 0) {
        if (errno == ENOENT)
            return 0;
        strbuf_printf(error, "%s: %s", path, strerror(errno));
        return -1;
    }
    if (!S_ISSOCK(status.st_mode)) {
        strbuf_printf(error, "%s: there is a file that is not a socket; remove it or listen elsewhere", path);
        return -1;
    }
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0) {
        strbuf_printf(error, "%s: socket: %s", path, strerror(errno));
        return -1;
    }
    int connected = connect(probe, (const struct sockaddr *)address, sizeof *address);
    int problem = errno;
    close(probe);
    /* EAGAIN: somebody listens, and the queue is full. */
    if (connected == 0 || problem == EAGAIN) {
        strbuf_printf(error, "%s: another process is listening there; stop it first", path);
        return -1;
    }
    if (problem != ECONNREFUSED && problem != ENOENT) {
        strbuf_printf(error, "%s: %s", path, strerror(problem));
        return -1;
    }
    if (unlink(path) < 0 && errno != ENOENT) {
        strbuf_printf(error, "%s: can't remove the stale socket: %s", path, strerror(errno));
        return -1;
    }
    return 0;
}

static int apply_ownership(const char *path, const struct config_socket *settings, struct strbuf *error)
{
    uid_t owner = (uid_t)-1;
    gid_t group = (gid_t)-1;
    if (settings->owner) {
        struct passwd *entry = getpwnam(settings->owner);
        if (!entry) {
            strbuf_printf(error, "%s: socket.owner: there is no user \"%s\"", path, settings->owner);
            return -1;
        }
        owner = entry->pw_uid;
    }
    if (settings->group) {
        struct group *entry = getgrnam(settings->group);
        if (!entry) {
            strbuf_printf(error, "%s: socket.group: there is no group \"%s\"", path, settings->group);
            return -1;
        }
        group = entry->gr_gid;
    }
    if ((settings->owner || settings->group) && chown(path, owner, group) < 0) {
        strbuf_printf(error, "%s: can't change the socket's owner: %s", path, strerror(errno));
        return -1;
    }
    if (chmod(path, settings->mode) < 0) {
        strbuf_printf(error, "%s: can't change the socket's mode: %s", path, strerror(errno));
        return -1;
    }
    return 0;
}

static int open_unix(struct listener *listener, const struct config_socket *settings, struct strbuf *error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(listener->address) >= sizeof address.sun_path) {
        strbuf_printf(error, "%s: the path of a socket can't be longer than %zu bytes", listener->address,
                      sizeof address.sun_path - 1);
        return -1;
    }
    strcpy(address.sun_path, listener->address);
    if (clear_stale_socket(listener->address, &address, error) < 0)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        strbuf_printf(error, "%s: socket: %s", listener->address, strerror(errno));
        return -1;
    }
    mode_t before = umask(0177);
    int bound = bind(fd, (struct sockaddr *)&address, sizeof address);
    int problem = errno;
    umask(before);
    struct stat status;
    if (bound < 0 || lstat(listener->address, &status) < 0) {
        strbuf_printf(error, "%s: can't bind the socket: %s", listener->address, strerror(bound < 0 ? problem : errno));
        close(fd);
        return -1;
    }
    listener->bound_file = true;
    listener->device = status.st_dev;
    listener->inode = status.st_ino;
    if (apply_ownership(listener->address, settings, error) < 0) {
        close(fd);
        unlink(listener->address);
        return -1;
    }
    return fd;
}

static int open_tcp(const struct config_listen *listen, struct strbuf *error)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    int problem = getaddrinfo(listen->host, listen->port, &hints, &found);
    if (problem != 0) {
        strbuf_printf(error, "%s: %s", listen->address, gai_strerror(problem));
        return -1;
    }
    int on = 1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        goto failed;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        goto failed;
    if (found->ai_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0)
        goto failed;
    if (bind(fd, found->ai_addr, found->ai_addrlen) < 0)
        goto failed;
    freeaddrinfo(found);
    return fd;
failed:
    strbuf_printf(error, "%s: can't bind the socket: %s", listen->address, strerror(errno));
    if (fd >= 0)
        close(fd);
    freeaddrinfo(found);
    return -1;
}

static struct listener *listener_open(const struct config_listen *listen_on, const struct config_socket *settings,
                                      struct strbuf *error)
{
    struct listener *listener = xcalloc(1, sizeof *listener);
    listener->address = xstrdup(listen_on->address);
    listener->type = listen_on->type;
    switch (listen_on->type) {
    case LISTEN_UNIX: listener->fd = open_unix(listener, settings, error); break;
    case LISTEN_TCP: listener->fd = open_tcp(listen_on, error); break;
    case LISTEN_SYSTEMD:
    case LISTEN_STARTER:
        strbuf_printf(error, "%s: inherited sockets are not yet effective; name a path or host:port",
                      listen_on->address);
        listener->fd = -1;
        break;
    }
    listener->backlog = settings->backlog;
    if (listener->fd >= 0 && listen(listener->fd, settings->backlog) < 0) {
        strbuf_printf(error, "%s: listen: %s", listener->address, strerror(errno));
        close(listener->fd);
        if (listener->bound_file)
            unlink(listener->address);
        listener->fd = -1;
    }
    if (listener->fd < 0) {
        free(listener->address);
        free(listener);
        return NULL;
    }
    return listener;
}

struct listener *listener_acquire(struct listener_set *set, const struct config_listen *listen_on,
                                  const struct config_socket *settings, struct strbuf *error)
{
    struct listener *listener = find(set, listen_on->address);
    if (listener) {
        if (listener->bound_file && apply_ownership(listener->address, settings, error) < 0)
            return NULL;
        if (listener->backlog != settings->backlog && listen(listener->fd, settings->backlog) == 0)
            listener->backlog = settings->backlog;
    } else {
        listener = listener_open(listen_on, settings, error);
        if (!listener)
            return NULL;
        listener->next = set->first;
        set->first = listener;
    }
    listener->pools++;
    listener->holders++;
    return listener;
}

/* Removes the socket file, unless another one has taken its place. */
static void remove_file(struct listener *listener)
{
    struct stat status;
    if (!listener->bound_file)
        return;
    listener->bound_file = false;
    if (lstat(listener->address, &status) == 0 && status.st_dev == listener->device &&
        status.st_ino == listener->inode && unlink(listener->address) < 0)
        log_warn("can't remove the socket %s", listener->address);
}

void listener_release_pool(struct listener_set *set, struct listener *listener)
{
    if (--listener->pools == 0)
        remove_file(listener);
    listener_release(set, listener);
}

void listener_hold(struct listener *listener)
{
    listener->holders++;
}

void listener_release(struct listener_set *set, struct listener *listener)
{
    if (--listener->holders > 0)
        return;
    struct listener **link = &set->first;
    while (*link != listener)
        link = &(*link)->next;
    *link = listener->next;
    close(listener->fd);
    free(listener->address);
    free(listener);
}

/* sock_diag(7): the receive queue of a listening unix socket is its accept queue. */
static int unix_queue(int fd, int64_t *waiting, int64_t *bound)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -1;
    int diag = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (diag < 0)
        return -1;
    struct {
        struct nlmsghdr header;
        struct unix_diag_req request;
    } query = {
        .header = { .nlmsg_len = sizeof query, .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST },
        .request = { .sdiag_family = AF_UNIX,
                     .udiag_states = UINT32_MAX,
                     .udiag_ino = (uint32_t)status.st_ino,
                     .udiag_cookie = { UINT32_MAX, UINT32_MAX },
                     .udiag_show = UDIAG_SHOW_RQLEN },
    };
    _Alignas(struct nlmsghdr) char answer[4096];
    int result = -1;
    ssize_t got = -1;
    if (send(diag, &query, sizeof query, 0) == (ssize_t)sizeof query)
        got = recv(diag, answer, sizeof answer, MSG_DONTWAIT);
    struct nlmsghdr *header = (struct nlmsghdr *)answer;
    if (got > 0 && NLMSG_OK(header, (unsigned)got) && header->nlmsg_type == SOCK_DIAG_BY_FAMILY) {
        struct unix_diag_msg *message = NLMSG_DATA(header);
        struct rtattr *attribute = (struct rtattr *)(message + 1);
        int left = (int)header->nlmsg_len - (int)NLMSG_LENGTH(sizeof *message);
        for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
            if (attribute->rta_type != UNIX_DIAG_RQLEN)
                continue;
            struct unix_diag_rqlen *queue = RTA_DATA(attribute);
            *waiting = queue->udiag_rqueue;
            *bound = queue->udiag_wqueue;
            result = 0;
        }
    }
    close(diag);
    return result;
}

void listener_queue(const struct listener *listener, int64_t *waiting, int64_t *bound)
{
    *waiting = *bound = -1;
    if (listener->type == LISTEN_UNIX) {
        if (unix_queue(listener->fd, waiting, bound) == 0)
            return;
    } else {
        /* tcp(7): for a listening socket tcpi_unacked is the queue's length, tcpi_sacked its bound. */
        struct tcp_info info;
        socklen_t size = sizeof info;
        if (getsockopt(listener->fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0) {
            *waiting = info.tcpi_unacked;
            *bound = info.tcpi_sacked;
            return;
        }
    }
    *bound = listener->backlog;
}
