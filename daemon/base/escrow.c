#include "escrow.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr header; /* for the alignment */
};

/* Connected to itself it takes nothing from anybody else, and one descriptor serves for both ways. */
int escrow_new(void)
{
    struct sockaddr_un own = { .sun_family = AF_UNIX };
    socklen_t size = sizeof own;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd == -1)
        return -1;
    /* Without a path the kernel chooses an abstract address. */
    if (bind(fd, (struct sockaddr *)&own, sizeof own.sun_family) == -1 ||
        getsockname(fd, (struct sockaddr *)&own, &size) == -1 || connect(fd, (struct sockaddr *)&own, size) == -1) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    /* What somebody sent before it was connected was not from us. */
    while (recv(fd, &(char){ 0 }, 1, 0) != -1)
        continue;
    return fd;
}

bool escrow_send(int escrow, int fd, const struct iovec *parts, size_t count)
{
    union control control = { { 0 } };
    struct msghdr packet = {
        .msg_iov = (struct iovec *)parts,
        .msg_iovlen = count,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes,
    };
    struct cmsghdr *rights = CMSG_FIRSTHDR(&packet);

    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    return sendmsg(escrow, &packet, MSG_NOSIGNAL) != -1;
}

ssize_t escrow_receive(int escrow, int *fd, struct iovec *parts, size_t count)
{
    union control control;
    struct msghdr packet = {
        .msg_iov = parts,
        .msg_iovlen = count,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes,
    };
    ssize_t got;

    *fd = -1;
    do
        got = recvmsg(escrow, &packet, MSG_CMSG_CLOEXEC | MSG_TRUNC);
    while (got == -1 && errno == EINTR);
    const struct cmsghdr *rights = got != -1 ? CMSG_FIRSTHDR(&packet) : NULL;
    if (rights != NULL && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(rights), sizeof *fd);
    return got;
}

bool escrow_deposit(int escrow, int fd)
{
    char byte = 0;

    return escrow_send(escrow, fd, &(struct iovec){ .iov_base = &byte, .iov_len = 1 }, 1);
}

int escrow_withdraw(int escrow)
{
    char byte;
    struct iovec part = { .iov_base = &byte, .iov_len = 1 };
    int fd;

    /* A copy for which this process had no descriptor left is gone. */
    while (escrow_receive(escrow, &fd, &part, 1) != -1 && fd == -1)
        continue;
    return fd;
}
