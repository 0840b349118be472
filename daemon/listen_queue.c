#include "listen_queue.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct listen_queue parse(const struct nlmsghdr *header)
{
    struct listen_queue queue = { -1, -1 };
    const struct unix_diag_msg *message = NLMSG_DATA(header);
    struct rtattr *attribute = (struct rtattr *)(message + 1);
    int left = (int)header->nlmsg_len - (int)NLMSG_LENGTH(sizeof *message);
    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
        if (attribute->rta_type != UNIX_DIAG_RQLEN)
            continue;
        const struct unix_diag_rqlen *lengths = RTA_DATA(attribute);
        queue = (struct listen_queue){ .waiting = lengths->udiag_rqueue, .bound = lengths->udiag_wqueue };
    }
    return queue;
}

/* sock_diag(7): the receive queue of a listening unix socket is its accept queue. */
static struct listen_queue read_unix(int fd)
{
    struct listen_queue queue = { -1, -1 };
    struct stat status;
    if (fstat(fd, &status) < 0)
        return queue;
    int diag = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (diag < 0)
        return queue;
    struct {
        struct nlmsghdr header;
        struct unix_diag_req request;
    } query = {
        .header = { .nlmsg_len = sizeof query, .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST },
        .request = { .sdiag_family = AF_UNIX,
                     .udiag_states = UINT32_MAX,
                     .udiag_ino = (uint32_t)status.st_ino,
                     .udiag_cookie = { UINT32_MAX, UINT32_MAX },
                     .udiag_show = UDIAG_SHOW_RQLEN },
    };
    _Alignas(struct nlmsghdr) char answer[4096];
    ssize_t got = -1;
    if (send(diag, &query, sizeof query, 0) == (ssize_t)sizeof query)
        got = recv(diag, answer, sizeof answer, MSG_DONTWAIT);
    const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
    if (got > 0 && NLMSG_OK(header, (unsigned)got) && header->nlmsg_type == SOCK_DIAG_BY_FAMILY)
        queue = parse(header);
    close(diag);
    return queue;
}

/* tcp(7): for a listening socket tcpi_unacked is the queue's length, tcpi_sacked its bound. */
static struct listen_queue read_tcp(int fd)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
        return (struct listen_queue){ -1, -1 };
    return (struct listen_queue){ .waiting = info.tcpi_unacked, .bound = info.tcpi_sacked };
}

struct listen_queue listen_queue_read(int fd)
{
    int before = errno, family = AF_UNSPEC;
    socklen_t size = sizeof family;
    struct listen_queue queue = { -1, -1 };
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0)
        queue = family == AF_UNIX ? read_unix(fd) : read_tcp(fd);
    errno = before;
    return queue;
}
