#include "handed.h"

#include <fcntl.h>
#include <unistd.h>

#include "escrow.h"

bool handed_send(int queue, int fd, const struct handed *handed, const uint8_t *bytes, size_t length)
{
    const struct iovec parts[] = {
        { .iov_base = (void *)handed, .iov_len = sizeof *handed },
        { .iov_base = (void *)bytes, .iov_len = length },
    };

    return escrow_send(queue, fd, parts, length > 0 ? 2 : 1);
}

int handed_receive(int queue, struct handed *handed, uint8_t *room, size_t size, size_t *length)
{
    struct iovec parts[] = {
        { .iov_base = handed, .iov_len = sizeof *handed },
        { .iov_base = room, .iov_len = size },
    };
    int fd;

    for (;;) {
        int spare = fcntl(queue, F_DUPFD_CLOEXEC, 0);
        if (spare == -1)
            return -1; /* what has no number here would be thrown away by the kernel */
        close(spare);
        ssize_t got = escrow_receive(queue, &fd, parts, 2);
        if (fd == -1)
            return -1;
        *length = got > 0 ? (size_t)got : 0;
        if (*length >= sizeof *handed && *length <= sizeof *handed + size && handed->wait >= 0 &&
            handed->wait < HANDED_WAITS) {
            *length -= sizeof *handed;
            return fd;
        }
        close(fd); /* more than may be received here (another generation has other limits), or not from a worker */
    }
}
