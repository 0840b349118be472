#include "rescue.h"

#include <dirent.h>
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "channel.h"
#include "clock.h"
#include "escrow.h"
#include "handed.h"
#include "log.h"
#include "pool.h"
#include "scaler.h"
#include "unbegun.h"
#include "workers.h"
#include "xalloc.h"

/* The supervisor needs descriptors for itself. */
#define RESCUED_MAX 1024

static void add(struct rescued *rescued, int fd)
{
    if (rescued->count == RESCUED_MAX) {
        close(fd);
        return;
    }
    if (rescued->count == rescued->room) {
        rescued->room = rescued->room > 0 ? 2 * rescued->room : 16;
        rescued->fds = xreallocarray(rescued->fds, rescued->room, sizeof *rescued->fds);
    }
    rescued->fds[rescued->count++] = fd;
}

/* The worker's end of its channel: this process has made the pair. */
static bool is_channel(int fd)
{
    struct ucred peer;
    int type = 0;
    socklen_t type_size = sizeof type, peer_size = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0 && type == SOCK_SEQPACKET &&
           getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_size) == 0 && peer.pid == getpid();
}

/* Connections that it was given, and has not come to. */
static void take_back(struct rescued *rescued, int channel)
{
    struct message message;
    int descriptors[CHANNEL_DESCRIPTORS_MAX];
    int got;

    while ((got = channel_receive(channel, &message, descriptors)) == 1 ||
           (got == -1 && (errno == EBADMSG || errno == EMFILE))) {
        if (got == -1)
            continue;
        for (unsigned i = 0; i < message_descriptors(message.type); i++)
            if (message.type == MESSAGE_CONNECTION)
                add(rescued, descriptors[i]);
            else
                close(descriptors[i]);
    }
}

/*
 * Every descriptor is copied, and looked at here: a copy has the address and the mark of what it is a copy of. false:
 * none could be copied.
 */
static bool take_all(struct rescued *rescued, int process, DIR *descriptors, const int *listeners, size_t count,
                     int in_hand)
{
    const struct dirent *entry;
    bool permitted = false;

    while ((entry = readdir(descriptors)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        int number = atoi(entry->d_name);
        int copy = number == in_hand ? -1 : (int)syscall(SYS_pidfd_getfd, process, number, 0);
        if (copy == -1)
            continue;
        permitted = true;
        if (unbegun_connection(copy, listeners, count)) {
            add(rescued, copy);
            continue;
        }
        if (is_channel(copy))
            take_back(rescued, copy);
        close(copy);
    }
    return permitted;
}

/* Which open socket it is, in whatever process. */
static ino_t identity(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

static void note(struct handed_over *over, int fd)
{
    if (over->count == over->room) {
        over->room = over->room > 0 ? 2 * over->room : 16;
        over->sockets = xreallocarray(over->sockets, over->room, sizeof *over->sockets);
    }
    over->sockets[over->count++] = identity(fd);
}

static bool is_noted(const struct handed_over *over, int fd)
{
    ino_t wanted = identity(fd);

    for (size_t i = 0; i < over->count; i++)
        if (over->sockets[i] == wanted)
            return true;
    return false;
}

void rescue_add(struct worker *worker, int fd)
{
    /* (Which ones it had sent before an upgrade is not known after it.) */
    if (!worker->rescued || worker->handed_over.count > 0)
        note(&worker->handed_over, fd);
    worker->rescued = true;
    add(&worker->generation->pool->rescued, fd);
}

void rescue_adopt(struct pool *pool, int fd)
{
    add(&pool->rescued, fd);
}

/* Where connections come from; free(3). */
static int *list_listeners(const struct generation *generation)
{
    int *listeners = xcalloc(generation->listener_count, sizeof *listeners);

    for (size_t i = 0; i < generation->listener_count; i++)
        listeners[i] = generation->listeners[i]->fd;
    return listeners;
}

void rescue_withdraw(struct worker *worker)
{
    const struct generation *generation = worker->generation;
    struct handed_over *over = &worker->handed_over;
    bool all = worker->rescued && over->count == 0;
    int *listeners = list_listeners(generation);
    int fd;

    while (worker->escrow != -1 && !all && (fd = escrow_withdraw(worker->escrow)) != -1)
        if (unbegun_connection(fd, listeners, generation->listener_count) && !is_noted(over, fd))
            add(&generation->pool->rescued, fd);
        else
            close(fd);
    if (worker->escrow != -1)
        close(worker->escrow);
    worker->escrow = -1;
    free(over->sockets);
    *over = (struct handed_over){ 0 };
    free(listeners);
}

void rescue_take(struct worker *worker)
{
    const struct generation *generation = worker->generation;
    int *listeners = list_listeners(generation);
    int process = (int)syscall(SYS_pidfd_open, worker->pid, 0);
    char path[40];

    snprintf(path, sizeof path, "/proc/%ld/fd", (long)worker->pid);
    DIR *descriptors = process != -1 ? opendir(path) : NULL;
    if (descriptors != NULL) {
        worker->rescued = take_all(&generation->pool->rescued, process, descriptors, listeners,
                                   generation->listener_count, atomic_load(&worker->slot->request_fd));
        closedir(descriptors);
    }
    if (process != -1)
        close(process);
    free(listeners);
}

/* Sent to it since it had read everything: its slot may not count them yet. */
static unsigned on_the_way(struct worker *worker)
{
    int unread;

    if (worker->given > 0 && ioctl(worker->channel.fd, SIOCOUTQ, &unread) == 0 && unread == 0)
        worker->given = 0;
    return worker->given;
}

/* (It may take as many from its listeners meanwhile, and so pass its number of requests.) */
static bool has_room(struct worker *worker)
{
    const struct slot *slot = worker->slot;
    uint64_t limit = atomic_load(&slot->request_limit);
    unsigned connections = atomic_load(&slot->connections), most = atomic_load(&slot->connections_max);

    return (limit == 0 || atomic_load(&slot->accepted) + connections < limit) &&
           (most == 0 || (uint64_t)connections + on_the_way(worker) < most);
}

static bool give(struct pool *pool, int fd, bool to_idle)
{
    const struct message message = { .type = MESSAGE_CONNECTION };
    const struct generation *generation = pool->serving;

    for (uint32_t i = 0; i < generation->worker_slots; i++) {
        uint32_t at = pool->rescued.next++ % generation->worker_slots;
        struct worker *worker = &generation->workers[at];
        if (!worker->in_use || worker->state != CHILD_SERVING || worker->trace != NULL || worker->channel.fd == -1 ||
            worker->replaced != RECYCLE_NONE || worker->rescued || !has_room(worker) ||
            (to_idle && atomic_load(&worker->slot->state) != SLOT_IDLE))
            continue;
        if (channel_send(worker->channel.fd, &message, &fd, 1) == 0) {
            worker->given++;
            escrow_deposit(worker->escrow, fd); /* it may be killed before it comes to that */
            return true;
        }
        if (errno == EAGAIN)
            workers_await_room(worker);
    }
    return false;
}

/* Something has come on it, or its client is gone. */
static bool is_ready(int fd)
{
    struct pollfd look = { .fd = fd, .events = POLLIN };

    return poll(&look, 1, 0) == 1;
}

/* Into the queue, which the fallback looks into; false: it is full. */
static bool put_into_queue(const struct pool *pool, int fd)
{
    int64_t patience = pool_settings(pool)->timeouts.header_ns, now = clock_monotonic_ns();
    const struct handed handed = { .wait = HANDED_HEAD, .deadline_ns = patience > 0 ? now + patience : 0 };

    return pool->handback >= 0 && handed_send(pool->handback, fd, &handed, NULL, 0);
}

static void have_refused(struct pool *pool)
{
    struct rescued *rescued = &pool->rescued;

    for (size_t i = rescued->count; i-- > 0;)
        if (is_ready(rescued->fds[i]) && put_into_queue(pool, rescued->fds[i])) {
            close(rescued->fds[i]);
            rescued->fds[i] = rescued->fds[--rescued->count];
        }
}

void rescue_deliver(struct pool *pool)
{
    struct rescued *rescued = &pool->rescued;
    size_t before = rescued->count;

    if (pool->stopping)
        rescue_drop(pool);
    while (rescued->count > 0 && pool->serving != NULL &&
           (give(pool, rescued->fds[rescued->count - 1], true) || give(pool, rescued->fds[rescued->count - 1], false)))
        close(rescued->fds[--rescued->count]);
    if (rescued->count < before)
        log_debug("%s: %zu connections of a worker that has ended go on with others", pool->name,
                  before - rescued->count);
    if (rescued->count > 0 && fallback_accepts(&pool->fallback) && pool_settings(pool) != NULL)
        have_refused(pool);
    if (rescued->count > 0 && pool->serving != NULL)
        scaler_call(pool->serving);
}

void rescue_drop(struct pool *pool)
{
    struct rescued *rescued = &pool->rescued;

    while (rescued->count > 0)
        close(rescued->fds[--rescued->count]);
    free(rescued->fds);
    *rescued = (struct rescued){ 0 };
}
