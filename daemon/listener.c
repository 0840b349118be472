#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "state_text.h"
#include "xalloc.h"

/* Between two tries. */
#define AGAIN_NS (5 * CLOCK_NS_PER_MS)

/* Whether the listener's socket file is (still) the one that it made. */
static bool has_its_file(const struct listener *listener)
{
    struct stat status;
    return lstat(listener->address, &status) == 0 && status.st_dev == listener->device &&
           status.st_ino == listener->inode;
}

/* A listener whose file was removed, by us too, or replaced can't be reached any more. */
static bool is_reachable(const struct listener *listener)
{
    bool needs_file = listener->type == LISTEN_UNIX && !listener->inherited;
    return !needs_file || (listener->bound_file && has_its_file(listener));
}

/* The one that clients reach there. `fd` -1: whatever it is. */
static struct listener *find(const struct listener_set *set, const char *address, int fd)
{
    for (struct listener *listener = set->first; listener; listener = listener->next)
        if (strcmp(listener->address, address) == 0 && (fd < 0 || listener->fd == fd) && is_reachable(listener))
            return listener;
    return NULL;
}

/* 0: nothing lives at the path (*stale: a file was removed); -1: `error` says what does, EADDRINUSE: a listener. */
static int clear_stale_socket(const char *path, const struct sockaddr_un *address, bool *stale, struct strbuf *error)
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
        errno = EADDRINUSE;
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
    *stale = true;
    return 0;
}

/* The ids of the accounts that the settings name; (uid_t)-1 and (gid_t)-1 leave what is. */
static int find_accounts(const char *path, const struct config_socket *settings, uid_t *owner, gid_t *group,
                         struct strbuf *error)
{
    *owner = (uid_t)-1;
    *group = (gid_t)-1;
    if (settings->owner) {
        const struct passwd *entry = getpwnam(settings->owner);
        if (!entry) {
            strbuf_printf(error, "%s: socket.owner: there is no user \"%s\"", path, settings->owner);
            return -1;
        }
        *owner = entry->pw_uid;
    }
    if (settings->group) {
        const struct group *entry = getgrnam(settings->group);
        if (!entry) {
            strbuf_printf(error, "%s: socket.group: there is no group \"%s\"", path, settings->group);
            return -1;
        }
        *group = entry->gr_gid;
    }
    return 0;
}

static int apply_ownership(const char *path, const struct config_socket *settings, struct strbuf *error)
{
    uid_t owner;
    gid_t group;
    if (find_accounts(path, settings, &owner, &group, error) < 0)
        return -1;
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

static int open_unix(struct listener *listener, const struct config_socket *settings, bool *stale, struct strbuf *error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(listener->address) >= sizeof address.sun_path) {
        strbuf_printf(error, "%s: the path of a socket can't be longer than %zu bytes", listener->address,
                      sizeof address.sun_path - 1);
        return -1;
    }
    strcpy(address.sun_path, listener->address);
    if (clear_stale_socket(listener->address, &address, stale, error) < 0)
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
    problem = errno;
    if (problem == EADDRINUSE)
        strbuf_printf(error, "%s: another process is listening there; stop it first", listen->address);
    else
        strbuf_printf(error, "%s: can't bind the socket: %s", listen->address, strerror(problem));
    if (fd >= 0)
        close(fd);
    freeaddrinfo(found);
    errno = problem;
    return -1;
}

/* The address of a socket as it stands in a configuration. free(3). */
static char *address_text(const struct sockaddr_storage *address, socklen_t size)
{
    char text[INET6_ADDRSTRLEN] = "";
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)address;
        inet_ntop(AF_INET, &ipv4->sin_addr, text, sizeof text);
        return xasprintf("%s:%u", text, ntohs(ipv4->sin_port));
    }
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)address;
        inet_ntop(AF_INET6, &ipv6->sin6_addr, text, sizeof text);
        return xasprintf("[%s]:%u", text, ntohs(ipv6->sin6_port));
    }
    const struct sockaddr_un *path = (const struct sockaddr_un *)address;
    size_t start = offsetof(struct sockaddr_un, sun_path);
    size_t length = size > start ? strnlen(path->sun_path, size - start) : 0;
    /* An abstract name begins with a zero byte; it is written as ss(8) does. */
    if (length == 0 && size > start + 1)
        return xasprintf("@%.*s", (int)(size - start - 1), path->sun_path + 1);
    return xstrndup(path->sun_path, length);
}

static bool is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
    if (address->ss_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
    return true;
}

static struct listener *open_inherited(const struct config_listen *listen_on, const struct config_socket *settings,
                                       const struct inherited_socket *given, struct strbuf *error)
{
    struct sockaddr_storage address = { 0 };
    socklen_t size = sizeof address;
    if (inherited_check(given, listen_on->address, error) < 0)
        return NULL;
    if (getsockname(given->fd, (struct sockaddr *)&address, &size) < 0) {
        strbuf_printf(error, "%s: %s", listen_on->address, strerror(errno));
        return NULL;
    }
    char *bound = address_text(&address, size);
    if (!is_loopback(&address) && settings->allow.count == 0) {
        strbuf_printf(error, "%s: other machines can reach %s: socket.allow has to say which of them may",
                      listen_on->address, bound);
        free(bound);
        return NULL;
    }
    struct listener *listener = xcalloc(1, sizeof *listener);
    listener->address = xstrdup(listen_on->address);
    listener->type = listen_on->type;
    listener->inherited = bound;
    listener->fd = given->fd;
    return listener;
}

/* NULL with EADDRINUSE: somebody listens there. */
static struct listener *listener_open(struct listener_set *set, const struct config_listen *listen_on,
                                      const struct config_socket *settings, struct strbuf *error)
{
    struct listener *listener = xcalloc(1, sizeof *listener);
    listener->address = xstrdup(listen_on->address);
    listener->type = listen_on->type;
    errno = 0;
    switch (listen_on->type) {
    case LISTEN_UNIX: listener->fd = open_unix(listener, settings, &set->found_stale, error); break;
    case LISTEN_TCP: listener->fd = open_tcp(listen_on, error); break;
    default: listener->fd = -1; break; /* inherited, not opened */
    }
    int problem = errno;
    listener->backlog = settings->backlog;
    if (listener->fd >= 0 && listen(listener->fd, settings->backlog) < 0) {
        problem = errno;
        strbuf_printf(error, "%s: listen: %s", listener->address, strerror(problem));
        close(listener->fd);
        if (listener->bound_file)
            unlink(listener->address);
        listener->fd = -1;
    }
    if (listener->fd < 0) {
        free(listener->address);
        free(listener);
        errno = problem;
        return NULL;
    }
    return listener;
}

/* Who listens there may be about to let go. */
static struct listener *open_patiently(struct listener_set *set, const struct config_listen *listen_on,
                                       const struct config_socket *settings, struct strbuf *error)
{
    const struct timespec pause = { .tv_nsec = AGAIN_NS };
    bool told = false;
    for (;;) {
        struct listener *listener = listener_open(set, listen_on, settings, error);
        if (listener || errno != EADDRINUSE || clock_monotonic_ns() >= set->patient_until_ns)
            return listener;
        strbuf_consume(error, error->length);
        if (!told)
            log_info("%s: somebody listens there yet, who is waited for", listen_on->address);
        told = true;
        nanosleep(&pause, NULL);
    }
}

size_t listener_count(const struct listener_set *set, const struct config_listen *listen_on)
{
    size_t count = 0;
    if (listen_on->type == LISTEN_SYSTEMD || listen_on->type == LISTEN_STARTER) {
        const struct inherited_socket *given = NULL;
        while ((given = inherited_find(&set->inherited, listen_on, given)))
            count++;
    }
    return count > 0 ? count : 1;
}

static const struct inherited_socket *find_given(const struct listener_set *set, const struct config_listen *listen_on,
                                                 size_t nth, struct strbuf *error)
{
    const struct inherited_socket *given = NULL;
    for (size_t i = 0; i <= nth; i++)
        given = inherited_find(&set->inherited, listen_on, given);
    if (!given)
        inherited_explain(&set->inherited, listen_on, error);
    return given;
}

struct listener *listener_acquire(struct listener_set *set, const struct config_listen *listen_on, size_t nth,
                                  const struct config_socket *settings, struct strbuf *error)
{
    bool inherited = listen_on->type == LISTEN_SYSTEMD || listen_on->type == LISTEN_STARTER;
    const struct inherited_socket *given = inherited ? find_given(set, listen_on, nth, error) : NULL;
    if (inherited && !given)
        return NULL;
    struct listener *listener = find(set, listen_on->address, given ? given->fd : -1);
    if (listener) {
        uid_t owner;
        gid_t group;
        if (listener->bound_file && find_accounts(listener->address, settings, &owner, &group, error) < 0)
            return NULL;
    } else {
        listener =
            given ? open_inherited(listen_on, settings, given, error) : open_patiently(set, listen_on, settings, error);
        if (!listener)
            return NULL;
        listener->next = set->first;
        set->first = listener;
    }
    listener->pools++;
    listener->holders++;
    return listener;
}

void listener_settle(struct listener *listener, const struct config_socket *settings)
{
    struct strbuf error = { 0 };
    if (listener->inherited)
        return;
    if (listener->bound_file && has_its_file(listener) && apply_ownership(listener->address, settings, &error) < 0)
        log_warnx("%s", error.data);
    if (listener->backlog != settings->backlog && listen(listener->fd, settings->backlog) == 0)
        listener->backlog = settings->backlog;
    strbuf_free(&error);
}

static bool has_its_folder(const struct listener *listener)
{
    const char *slash = strrchr(listener->address, '/');
    char *folder = xstrndup(listener->address, slash ? (size_t)(slash + 1 - listener->address) : 0);
    struct stat status;
    bool there = stat(*folder ? folder : ".", &status) == 0;
    free(folder);
    return there;
}

enum listener_file listener_look(struct listener *listener, int watch)
{
    struct stat status;
    if (!listener->bound_file)
        return LISTENER_FILE_GOOD;
    /* Watched before it is looked at. (A file that is watched already stays so.) The removal of one changes its links,
     * which is told as a change of its attributes: what is bound to it keeps it alive. */
    if (watch >= 0)
        inotify_add_watch(watch, listener->address, IN_ATTRIB | IN_MOVE_SELF | IN_DONT_FOLLOW);
    if (has_its_file(listener)) {
        listener->lost = false;
        return LISTENER_FILE_GOOD;
    }
    bool taken = lstat(listener->address, &status) == 0;
    if (!taken && errno == ENOENT && has_its_folder(listener))
        return LISTENER_FILE_MISSING;
    if (!listener->lost)
        log_warnx("%s: %s: nobody can connect until that is mended", listener->address,
                  taken ? "another file has taken the place of the socket" : "the socket can't be reached any more");
    listener->lost = true;
    return LISTENER_FILE_LOST;
}

bool listeners_lost(const struct listener_set *set)
{
    for (const struct listener *listener = set->first; listener; listener = listener->next)
        if (listener->lost && listener->pools > 0)
            return true;
    return false;
}

/* Removes the socket file, unless another one has taken its place. */
static void remove_file(struct listener *listener)
{
    if (!listener->bound_file)
        return;
    bool there = has_its_file(listener);
    listener->bound_file = false;
    if (there && unlink(listener->address) < 0)
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
    if (!listener->inherited)
        close(listener->fd);
    free(listener->inherited);
    free(listener->address);
    free(listener);
}

void listener_warn_unused(const struct listener_set *set)
{
    for (size_t i = 0; i < set->inherited.count; i++) {
        const struct inherited_socket *given = &set->inherited.items[i];
        const struct listener *listener = set->first;
        while (listener && listener->fd != given->fd)
            listener = listener->next;
        if (!listener)
            log_warnx("no pool listens on %s:%s, which was handed over",
                      given->type == LISTEN_SYSTEMD ? "systemd" : "starter", given->name);
    }
}

struct listen_queue listener_queue(struct listener *listener)
{
    struct listen_queue queue = listen_queue_read(listener->fd);
    if (queue.waiting > listener->queue_peak)
        listener->queue_peak = queue.waiting;
    return queue;
}

static const struct state_field fields[] = {
    STATE_FIELD(STATE_STRING, "address", struct listener, address),
    STATE_FIELD(STATE_UNSIGNED, "type", struct listener, type),
    STATE_FIELD(STATE_SIGNED, "backlog", struct listener, backlog),
    STATE_FIELD(STATE_STRING, "inherited", struct listener, inherited),
    STATE_FIELD(STATE_SIGNED, "queue_peak", struct listener, queue_peak),
    STATE_FIELD(STATE_UNSIGNED, "bound_file", struct listener, bound_file),
    STATE_FIELD(STATE_UNSIGNED, "device", struct listener, device),
    STATE_FIELD(STATE_UNSIGNED, "inode", struct listener, inode),
};

void listener_save(const struct listener *listener, struct state_writer *writer)
{
    state_put_fields(writer, fields, sizeof fields / sizeof *fields, listener);
    state_put_descriptor(writer, "descriptor", listener->fd);
}

struct listener *listener_adopt(struct state_reader *reader)
{
    struct listener *listener = xcalloc(1, sizeof *listener);
    state_get_fields(reader, fields, sizeof fields / sizeof *fields, listener);
    listener->fd = state_descriptor(reader, "descriptor");
    if (listener->fd >= 0 && listener->address)
        return listener;
    state_error(reader, "a listener is not complete");
    free(listener->inherited);
    free(listener->address);
    free(listener);
    return NULL;
}
