#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

bool notify_parse_address(const char *socket, struct sockaddr_un *address, socklen_t *size)
{
    size_t length = strlen(socket);
    if ((*socket != '/' && *socket != '@') || length < 2 || length >= sizeof address->sun_path)
        return false;
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    memcpy(address->sun_path, socket, length);
    if (*socket == '@')
        address->sun_path[0] = '\0';
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (*socket == '/'));
    return true;
}

/* A decimal number above 0, and nothing else; 0 otherwise. */
static int64_t positive(const char *text)
{
    char *end;
    if (*text < '0' || *text > '9')
        return 0;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0' && value > 0 && value <= INT64_MAX / 1000 ? value : 0;
}

int64_t notify_watchdog_ns(const char *usec, const char *pid, pid_t self)
{
    if (!usec || (pid && positive(pid) != self))
        return 0;
    return positive(usec) * 1000 / 2;
}

bool notify_send(const struct notify *notify, const char *assignments)
{
    if (notify->fd < 0 || sendto(notify->fd, assignments, strlen(assignments), MSG_NOSIGNAL | MSG_DONTWAIT,
                                 (const struct sockaddr *)&notify->address, notify->address_size) >= 0)
        return true;
    log_debug("%.*s: NOTIFY_SOCKET can't be written to: %s", (int)strcspn(assignments, "\n"), assignments,
              strerror(errno));
    return errno != EAGAIN;
}

static void watchdog_expired(void *data)
{
    struct notify *notify = data;
    loop_timer_set(notify->loop, &notify->watchdog, clock_monotonic_ns() + notify->watchdog_ns);
    notify_send(notify, "WATCHDOG=1");
}

void notify_open(struct notify *notify, struct loop *loop)
{
    *notify = (struct notify){ .fd = -1, .loop = loop };
    const char *path = getenv("NOTIFY_SOCKET");
    if (!path || !*path)
        return;
    if (!notify_parse_address(path, &notify->address, &notify->address_size)) {
        log_warnx("NOTIFY_SOCKET is %s, which is neither a path nor @NAME: nothing is told to it", path);
        return;
    }
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notify->fd < 0) {
        log_warn("NOTIFY_SOCKET: socket");
        return;
    }
    notify->watchdog = (struct loop_timer){ .expired = watchdog_expired, .data = notify };
    notify->watchdog_ns = notify_watchdog_ns(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"), getpid());
    if (notify->watchdog_ns > 0)
        watchdog_expired(notify);
}

void notify_close(struct notify *notify)
{
    if (notify->fd < 0)
        return;
    loop_timer_clear(notify->loop, &notify->watchdog);
    close(notify->fd);
    notify->fd = -1;
}
