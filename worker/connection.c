#include "connection.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "stray_child.h"
#include "unbegun.h"
#include "xalloc.h"

static void publish_count(const struct connection_table *table)
{
    atomic_store_explicit(table->published, table->count, memory_order_relaxed);
}

struct connection *connection_open(struct connection_table *table, int fd)
{
    struct connection *connection = xmalloc(sizeof *connection);

    *connection = (struct connection){ .source = SOURCE_CONNECTION, .fd = fd, .wait = WAIT_NOTHING };
    table->count++;
    publish_count(table);
    return connection;
}

static void mark(struct connection *connection, bool begun)
{
    if (connection->begun != begun)
        unbegun_mark(connection->fd, begun);
    connection->begun = begun;
}

static void set_exposed(struct connection_table *table, struct connection *connection, bool exposed)
{
    if (connection->exposed == exposed)
        return;
    connection->exposed = exposed;
    table->exposed += exposed ? 1 : -1;
}

/* Whoever finds the copy of a deposited one must know, whatever happens to this process next. */
void connection_begin(struct connection_table *table, struct connection *connection)
{
    set_exposed(table, connection, false);
    if (connection->deposited)
        mark(connection, true);
}

void connection_unbegin(struct connection_table *table, struct connection *connection)
{
    if (connection->saved_length > 0)
        return;
    mark(connection, false);
    set_exposed(table, connection, connection->wait == WAIT_HEAD && !connection->deposited);
}

void connection_take(struct connection_table *table, struct connection *connection)
{
    if (connection->wait == WAIT_NOTHING)
        return;
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        table->waiting[connection->wait].first = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    else
        table->waiting[connection->wait].last = connection->previous;
    table->waiting[connection->wait].count--;
    set_exposed(table, connection, false);
    connection->previous = connection->next = NULL;
    connection->wait = WAIT_NOTHING;
}

/* The copy would keep it open. */
static void end_deposited(struct connection_table *table, struct connection *connection)
{
    mark(connection, true);
    shutdown(connection->fd, SHUT_RDWR);
    table->decided++;
}

/* The struct stays until connection_release. */
static void forget(struct connection_table *table, struct connection *connection)
{
    connection_take(table, connection);
    connection->fd = -1;
    connection->next = table->closed;
    table->closed = connection;
    table->count--;
    publish_count(table);
}

void connection_close(struct connection_table *table, struct connection *connection)
{
    connection_save(table, connection, NULL, 0);
    /* A copy elsewhere would keep it watched. */
    if ((connection->deposited || connection->taken || stray_child_exists) && connection->registered)
        epoll_ctl(table->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
    if (connection->deposited)
        end_deposited(table, connection);
    close(connection->fd);
    forget(table, connection);
}

void connection_forget_given(struct connection_table *table)
{
    for (int wait = 0; wait < WAIT_KINDS; wait++)
        for (struct connection *next, *at = table->waiting[wait].first; at != NULL; at = next) {
            next = at->next;
            if (at->fd != -1)
                continue;
            connection_save(table, at, NULL, 0);
            forget(table, at);
        }
}

void connection_release(struct connection_table *table)
{
    while (table->closed != NULL) {
        struct connection *connection = table->closed;
        table->closed = connection->next;
        free(connection);
    }
}

static bool watch(struct connection_table *table, struct connection *connection)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };

    if (connection->registered)
        return true;
    if (epoll_ctl(table->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) == -1) {
        log_warn("a connection can't be watched");
        connection_close(table, connection);
        return false;
    }
    connection->registered = true;
    return true;
}

/* At its place by deadline, which is the end but for one that waited elsewhere before. */
static void put(struct connection_table *table, struct connection *connection, enum connection_wait wait,
                int64_t deadline_ns)
{
    struct connection *previous = table->waiting[wait].last;

    while (previous != NULL && deadline_ns > 0 && previous->deadline_ns > deadline_ns)
        previous = previous->previous;
    connection->wait = wait;
    connection->deadline_ns = deadline_ns;
    connection->previous = previous;
    connection->next = previous != NULL ? previous->next : table->waiting[wait].first;
    if (previous != NULL)
        previous->next = connection;
    else
        table->waiting[wait].first = connection;
    if (connection->next != NULL)
        connection->next->previous = connection;
    else
        table->waiting[wait].last = connection;
    table->waiting[wait].count++;
    set_exposed(table, connection, wait == WAIT_HEAD && connection->saved_length == 0 && !connection->deposited);
}

bool connection_await(struct connection_table *table, struct connection *connection, enum connection_wait wait,
                      int64_t now_ns)
{
    int64_t timeout_ns = table->timeouts_ns[wait];

    if (!watch(table, connection))
        return false;
    if (wait == WAIT_IDLE || wait == WAIT_LINGER)
        mark(connection, wait == WAIT_LINGER);
    if (connection->wait == wait)
        return true;
    connection_take(table, connection);
    put(table, connection, wait, timeout_ns > 0 ? now_ns + timeout_ns : 0);
    return true;
}

bool connection_resume(struct connection_table *table, struct connection *connection, enum connection_wait wait,
                       int64_t deadline_ns)
{
    connection->taken = true;
    mark(connection, connection->saved_length > 0);
    if (!watch(table, connection))
        return false;
    put(table, connection, wait, deadline_ns);
    return true;
}

void connection_save(struct connection_table *table, struct connection *connection, const uint8_t *bytes, size_t length)
{
    table->saved_bytes -= connection->saved_length;
    free(connection->saved);
    connection->saved = NULL;
    if (length > 0) {
        connection->saved = xmalloc(length);
        memcpy(connection->saved, bytes, length);
        mark(connection, true);
    }
    connection->saved_length = length;
    table->saved_bytes += length;
}

void connection_hurry(struct connection_table *table, enum connection_wait wait, int64_t timeout_ns, int64_t now_ns)
{
    int64_t deadline_ns = now_ns + timeout_ns;

    if (table->timeouts_ns[wait] == 0 || table->timeouts_ns[wait] > timeout_ns)
        table->timeouts_ns[wait] = timeout_ns;
    for (struct connection *at = table->waiting[wait].first; at != NULL; at = at->next)
        if (at->deadline_ns == 0 || at->deadline_ns > deadline_ns)
            at->deadline_ns = deadline_ns;
}

int64_t connection_next_deadline(const struct connection_table *table)
{
    int64_t earliest_ns = 0;

    for (int wait = 0; wait < WAIT_KINDS; wait++) {
        const struct connection *first = table->waiting[wait].first;
        if (first != NULL && first->deadline_ns > 0 && (earliest_ns == 0 || first->deadline_ns < earliest_ns))
            earliest_ns = first->deadline_ns;
    }
    return earliest_ns;
}

struct connection *connection_expired(const struct connection_table *table, int64_t now_ns)
{
    for (int wait = 0; wait < WAIT_KINDS; wait++) {
        struct connection *first = table->waiting[wait].first;
        if (first != NULL && first->deadline_ns > 0 && first->deadline_ns <= now_ns)
            return first;
    }
    return NULL;
}
