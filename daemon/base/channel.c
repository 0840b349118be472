#include "channel.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAYLOAD_OFFSET offsetof(struct message, text)
#define CONTROL_SIZE CMSG_SPACE(sizeof(int) * CHANNEL_DESCRIPTORS_MAX)

static const struct {
    const char *name;
    size_t payload; /* bytes; for a text the most */
    unsigned descriptors;
    bool is_text;
} types[MESSAGE_TYPES] = {
#define MESSAGE(NAME, member, descriptors, doc)                                                                        \
    [MESSAGE_##NAME] = { #NAME, sizeof((struct message *)0)->member, descriptors,                                      \
                         sizeof((struct message *)0)->member == CHANNEL_TEXT_SIZE },
#include "messages.def"
#undef MESSAGE
};

#define MESSAGE(NAME, member, descriptors, doc)                                                                        \
    _Static_assert(descriptors <= CHANNEL_DESCRIPTORS_MAX, #NAME " has too many descriptors");
#include "messages.def"
#undef MESSAGE

union control {
    char bytes[CONTROL_SIZE];
    struct cmsghdr header; /* for the alignment */
};

const char *message_name(uint32_t type)
{
    return type < MESSAGE_TYPES ? types[type].name : "?";
}

unsigned message_descriptors(uint32_t type)
{
    return type < MESSAGE_TYPES ? types[type].descriptors : 0;
}

int channel_pair(int ends[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends);
}

int channel_send(int fd, const struct message *message, const int *descriptors, unsigned count)
{
    if (message->type >= MESSAGE_TYPES || count != types[message->type].descriptors) {
        errno = EINVAL;
        return -1;
    }

    size_t payload = types[message->type].payload;
    if (types[message->type].is_text) {
        payload = strnlen(message->text, CHANNEL_TEXT_SIZE) + 1;
        if (payload > CHANNEL_TEXT_SIZE) {
            errno = EINVAL;
            return -1;
        }
    }

    /* The type and the hole behind it are sent from a cleared place: no stray memory leaves the process. */
    char head[PAYLOAD_OFFSET] = { 0 };
    memcpy(head, &message->type, sizeof message->type);

    struct iovec parts[] = {
        { .iov_base = head, .iov_len = sizeof head },
        { .iov_base = (void *)message->text, .iov_len = payload },
    };
    union control control = { { 0 } };
    struct msghdr packet = { .msg_iov = parts, .msg_iovlen = 2 };

    if (count > 0) {
        packet.msg_control = control.bytes;
        packet.msg_controllen = CMSG_SPACE(sizeof(int) * count);

        struct cmsghdr *rights = CMSG_FIRSTHDR(&packet);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(rights), descriptors, sizeof(int) * count);
    }

    ssize_t sent;
    do
        sent = sendmsg(fd, &packet, MSG_NOSIGNAL);
    while (sent == -1 && errno == EINTR);
    return sent == -1 ? -1 : 0;
}

/* Moves the descriptors of a packet to `found` (room for all that fit into a control buffer). */
static unsigned take_descriptors(struct msghdr *packet, int found[CONTROL_SIZE / sizeof(int)])
{
    unsigned count = 0;

    for (struct cmsghdr *part = CMSG_FIRSTHDR(packet); part != NULL; part = CMSG_NXTHDR(packet, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t bytes = part->cmsg_len - CMSG_LEN(0);
        memcpy(found + count, CMSG_DATA(part), bytes);
        count += (unsigned)(bytes / sizeof(int));
    }
    return count;
}

/* Whether a packet of `length` bytes is what its type declares. */
static bool has_its_payload(const struct message *message, size_t length)
{
    if (length <= PAYLOAD_OFFSET || message->type >= MESSAGE_TYPES)
        return false;

    size_t payload = length - PAYLOAD_OFFSET;

    if (types[message->type].is_text)
        return payload <= CHANNEL_TEXT_SIZE && memchr(message->text, '\0', payload) == message->text + payload - 1;
    return payload == types[message->type].payload;
}

int channel_receive(int fd, struct message *message, int descriptors[CHANNEL_DESCRIPTORS_MAX])
{
    union control control;
    struct iovec part = { .iov_base = message, .iov_len = sizeof *message };
    struct msghdr packet = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes,
    };
    ssize_t length;

    do
        length = recvmsg(fd, &packet, MSG_CMSG_CLOEXEC);
    while (length == -1 && errno == EINTR);
    if (length == -1)
        return -1;

    int found[CONTROL_SIZE / sizeof(int)];
    unsigned count = take_descriptors(&packet, found);

    if (length == 0 && count == 0)
        return 0;
    bool cut = (packet.msg_flags & MSG_CTRUNC) != 0;
    bool whole = (packet.msg_flags & MSG_TRUNC) == 0 && has_its_payload(message, (size_t)length);

    if (!whole || cut || count != types[message->type].descriptors) {
        /* Fewer than were sent: this process may have no more. */
        bool short_of_descriptors = whole && cut && count < types[message->type].descriptors;
        for (unsigned i = 0; i < count; i++)
            close(found[i]);
        errno = short_of_descriptors ? EMFILE : EBADMSG;
        return -1;
    }
    memcpy(descriptors, found, sizeof(int) * count);
    return 1;
}

uint64_t channel_fingerprint(void)
{
    /* FNV-1a over the table of messages. */
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (uint32_t i = 0; i < MESSAGE_TYPES; i++) {
        for (const char *at = types[i].name; *at != '\0'; at++)
            hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
        hash = (hash ^ types[i].payload) * UINT64_C(0x100000001b3);
        hash = (hash ^ types[i].descriptors) * UINT64_C(0x100000001b3);
    }
    return hash;
}
