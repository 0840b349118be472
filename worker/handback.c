#include "handback.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "deposit.h"
#include "escrow.h"
#include "handed.h"

static bool send_connection(int queue, const struct connection *connection)
{
    struct handed handed = {
        .wait = connection->wait,
        .begun = connection->begun,
        .deadline_ns = connection->deadline_ns,
        .received_ns = connection->received_ns,
    };
    struct iovec parts[] = {
        { .iov_base = &handed, .iov_len = sizeof handed },
        { .iov_base = connection->saved, .iov_len = connection->saved_length },
    };

    return escrow_send(queue, connection->fd, parts, connection->saved_length > 0 ? 2 : 1);
}

/* Its copy would be handed on, too, when this worker is killed. */
static bool leave_escrow(struct connection_table *table, struct connection *connection)
{
    if (connection->deposited && !deposit_take_out(table, connection->fd)) {
        errno = EBUSY;
        return false;
    }
    connection->deposited = false;
    return true;
}

bool handback_give(int queue, struct connection_table *table, struct connection *connection)
{
    connection_begin(table, connection);
    if (!leave_escrow(table, connection) || !send_connection(queue, connection)) {
        int error = errno;
        connection_unbegin(table, connection);
        errno = error;
        return false;
    }
    /* It is open elsewhere: closing it here would not end its being watched. */
    if (connection->registered)
        epoll_ctl(table->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
    close(connection->fd);
    connection->fd = -1;
    return true;
}

/* What versions of cowherd tell one another (handed_fingerprint). */
_Static_assert(WAIT_HEAD == 0 && WAIT_BODY == 1 && WAIT_IDLE == 2, "handed_fingerprint has to change");

/* The next that fits. -1: there is none, or this process has no descriptor left for it. */
static int receive(int queue, struct iovec parts[2], size_t *got)
{
    const struct handed *handed = parts[0].iov_base;
    int fd;

    for (;;) {
        int spare = fcntl(queue, F_DUPFD_CLOEXEC, 0);
        if (spare == -1)
            return -1; /* what has no number here would be thrown away by the kernel */
        close(spare);
        ssize_t size = escrow_receive(queue, &fd, parts, 2);
        if (fd == -1)
            return -1;
        *got = size > 0 ? (size_t)size : 0;
        if (*got >= sizeof *handed && *got <= sizeof *handed + parts[1].iov_len &&
            (handed->wait == WAIT_HEAD || handed->wait == WAIT_BODY || handed->wait == WAIT_IDLE))
            return fd;
        close(fd); /* more than may be received here (another generation has other limits), or not from a worker */
    }
}

struct connection *handback_take(int queue, struct connection_table *table, uint8_t *room, size_t size)
{
    struct handed handed = { 0 };
    struct iovec parts[] = {
        { .iov_base = &handed, .iov_len = sizeof handed },
        { .iov_base = room, .iov_len = size },
    };
    size_t got;
    int fd = receive(queue, parts, &got);

    if (fd == -1)
        return NULL;
    struct connection *connection = connection_open(table, fd);
    connection->begun = handed.begun;
    connection->received_ns = handed.received_ns;
    connection_save(table, connection, room, got - sizeof handed);
    return connection_resume(table, connection, (enum connection_wait)handed.wait, handed.deadline_ns) ? connection
                                                                                                       : NULL;
}
