/*
 * Preloaded into cowherd-mold (LD_PRELOAD) for `make bench-spread`: how workers would spread connections otherwise.
 * SPREAD_LISTEN=plain has listening sockets watched without EPOLLEXCLUSIVE, =exclusive always with it (else a worker
 * decides by what it keeps); with SPREAD_KEEP the threads that give connections to other workers can't be started.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static int is_listener(int fd)
{
    int listens = 0;
    socklen_t size = sizeof listens;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0;
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    static int (*next)(int, int, int, struct epoll_event *);
    const char *way = getenv("SPREAD_LISTEN");
    struct epoll_event changed;

    if (next == NULL)
        *(void **)&next = dlsym(RTLD_NEXT, "epoll_ctl");
    if (way != NULL && operation == EPOLL_CTL_ADD && is_listener(fd)) {
        changed = *event;
        changed.events &= ~(unsigned)EPOLLEXCLUSIVE;
        if (strcmp(way, "exclusive") == 0)
            changed.events |= EPOLLEXCLUSIVE;
        event = &changed;
    }
    return next(epoll, operation, fd, event);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*routine)(void *), void *data)
{
    static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

    if (next == NULL)
        *(void **)&next = dlsym(RTLD_NEXT, "pthread_create");
    return getenv("SPREAD_KEEP") != NULL ? EAGAIN : next(thread, attributes, routine, data);
}
