#include "stray_child.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "log.h"

bool stray_child;
bool stray_child_exists;

static struct {
    const struct slot *slot;
    int channel;
    int escrow;   /* -1: none */
    int handback; /* -1: none */
    const int *listeners;
    size_t listener_count;
    const struct connection_table *connections;
    int connection; /* of the request in hand; noted before the fork: the slot is shared, and the worker goes on */
} worker;

/* An open copy would keep from a client that the worker has closed its connection. */
static void close_connections(const struct connection_table *connections)
{
    for (int wait = 0; wait < WAIT_KINDS; wait++)
        for (const struct connection *at = connections->waiting[wait].first; at != NULL; at = at->next)
            close(at->fd);
    close(connections->epoll_fd);
}

/* After each fork, also of a child that is about to execute another program: then nothing here is missed. */
static void let_go(void)
{
    if (stray_child)
        return; /* a child's child: what has these numbers now is the app's */
    stray_child = true;
    close(worker.channel);
    if (worker.escrow != -1)
        close(worker.escrow);
    if (worker.handback != -1)
        close(worker.handback);
    for (size_t i = 0; i < worker.listener_count; i++)
        close(worker.listeners[i]);
    if (worker.connection >= 0)
        close(worker.connection);
    if (worker.connections != NULL)
        close_connections(worker.connections);
}

static void note_child(void)
{
    stray_child_exists = true;
    worker.connection = atomic_load_explicit(&worker.slot->request_fd, memory_order_relaxed);
}

void stray_child_prepare(const struct slot *slot, int channel, int escrow, int handback, const int *listeners,
                         size_t listener_count)
{
    worker.slot = slot;
    worker.channel = channel;
    worker.escrow = escrow;
    worker.handback = handback;
    worker.listeners = listeners;
    worker.listener_count = listener_count;
    if (pthread_atfork(note_child, NULL, let_go) != 0)
        fatalx("children of apps can't be looked after");
}

void stray_child_set_connections(const struct connection_table *connections)
{
    worker.connections = connections;
}

void stray_child_end(void)
{
    log_warnx("process %ld, which an app has forked in a request, has come to the end of the app and is ended",
              (long)getpid());
    fflush(stdout);
    _exit(1);
}
