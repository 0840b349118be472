#include "unbegun.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static volatile sig_atomic_t in_hand = -1;

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
    struct sockaddr_storage storage;
};

static bool has_option(int fd, int option, int value)
{
    int found = -1;
    socklen_t size = sizeof found;

    return getsockopt(fd, SOL_SOCKET, option, &found, &size) == 0 && found == value;
}

/* A listener may be bound to any address: then the port says it. (Nothing else of ours is bound to it.) */
static bool same_address(const union address *a, socklen_t a_size, const union address *b, socklen_t b_size)
{
    if (a->any.sa_family != b->any.sa_family)
        return false;
    switch (a->any.sa_family) {
    case AF_UNIX:
        return a_size == b_size && a_size > offsetof(struct sockaddr_un, sun_path) && memcmp(a, b, a_size) == 0;
    case AF_INET: return a->v4.sin_port == b->v4.sin_port;
    case AF_INET6: return a->v6.sin6_port == b->v6.sin6_port;
    default: return false;
    }
}

void unbegun_set_in_hand(int fd)
{
    in_hand = fd;
}

int unbegun_in_hand(void)
{
    return in_hand;
}

bool unbegun_connection(int fd, const int *listeners, size_t count)
{
    union address own;
    socklen_t own_size = sizeof own;

    if (!has_option(fd, SO_TYPE, SOCK_STREAM) || !has_option(fd, SO_ACCEPTCONN, 0) || unbegun_is_marked(fd) ||
        getsockname(fd, &own.any, &own_size) == -1)
        return false;
    for (size_t i = 0; i < count; i++) {
        union address listener;
        socklen_t size = sizeof listener;
        if (getsockname(listeners[i], &listener.any, &size) == 0 && same_address(&own, own_size, &listener, size))
            return true;
    }
    return false;
}
