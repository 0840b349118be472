#include "handback.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "deposit.h"
#include "handed.h"

static bool send_connection(int queue, const struct connection *connection)
{
    const struct handed handed = {
        .wait = connection->wait,
        .begun = connection->begun,
        .deadline_ns = connection->deadline_ns,
        .received_ns = connection->received_ns,
    };

    return handed_send(queue, connection->fd, &handed, connection->saved, connection->saved_length);
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

_Static_assert((int)WAIT_HEAD == HANDED_HEAD && (int)WAIT_BODY == HANDED_BODY && (int)WAIT_IDLE == HANDED_IDLE,
               "enum handed_wait has to say the same");

struct connection *handback_take(int queue, struct connection_table *table, uint8_t *room, size_t size)
{
    struct handed handed;
    size_t length;
    int fd = handed_receive(queue, &handed, room, size, &length);

    if (fd == -1)
        return NULL;
    struct connection *connection = connection_open(table, fd);
    connection->begun = handed.begun;
    connection->received_ns = handed.received_ns;
    connection_save(table, connection, room, length);
    return connection_resume(table, connection, (enum connection_wait)handed.wait, handed.deadline_ns) ? connection
                                                                                                       : NULL;
}
