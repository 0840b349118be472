/*
 * libFuzzer: any packets, with descriptors and without, on the channel between the supervisor and a child. What is
 * received is a whole message of its type with its descriptors; no other descriptor stays open, and the channel works
 * on. A text is read as the map of a heap, too.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "heap_map.h"
#include "require.h"
#include "strbuf.h"

#define SENT_MAX 8
#define ALIGNED 8

static int ends[2] = { -1, -1 };
static int probe; /* the number that the next descriptor gets */

static int lowest_free(void)
{
    int fd = dup(0);
    require(fd >= 0);
    close(fd);
    return fd;
}

static bool send_packet(const uint8_t *bytes, size_t length, unsigned count)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * SENT_MAX)];
        struct cmsghdr header;
    } control = { { 0 } };
    struct iovec part = { .iov_base = (void *)bytes, .iov_len = length };
    struct msghdr packet = { .msg_iov = &part, .msg_iovlen = 1 };

    if (count > 0) {
        packet.msg_control = control.bytes;
        packet.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *rights = CMSG_FIRSTHDR(&packet);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
        for (unsigned i = 0; i < count; i++)
            memcpy(CMSG_DATA(rights) + i * sizeof(int), &ends[i & 1], sizeof(int));
    }
    return sendmsg(ends[0], &packet, MSG_NOSIGNAL) >= 0;
}

static void read_map(const char *text)
{
    struct heap_map map = { 0 }, again = { 0 };
    struct strbuf printed = { 0 }, reprinted = { 0 };

    if (heap_map_parse(text, &map)) {
        require(map.count <= HEAP_MAP_AREAS_MAX && map.pages <= HEAP_MAP_PAGES_MAX);
        heap_map_print(&map, &printed);
        require(printed.length <= HEAP_MAP_TEXT_MAX);
        require(heap_map_parse(printed.data, &again));
        heap_map_print(&again, &reprinted);
        require(printed.length == reprinted.length && memcmp(printed.data, reprinted.data, printed.length) == 0);
        heap_map_free(&again);
    } else {
        require(map.count == 0 && map.areas == NULL);
    }
    strbuf_free(&printed);
    strbuf_free(&reprinted);
    heap_map_free(&map);
}

static void check_message(const struct message *message, const int *descriptors)
{
    require(message->type < MESSAGE_TYPES && strcmp(message_name(message->type), "?") != 0);
    for (unsigned i = 0; i < message_descriptors(message->type); i++) {
        require(descriptors[i] >= probe);
        require(close(descriptors[i]) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message message;
    int descriptors[CHANNEL_DESCRIPTORS_MAX];

    if (ends[0] < 0)
        require(channel_pair(ends) == 0);
    probe = lowest_free();
    if (size < 2)
        return 0;
    char *text = text_of(data + 2, size - 2);
    read_map(text);
    free(text);

    /* The first byte says what of the type is forced to be one, the second how many descriptors come along. */
    size_t length = size - 2;
    uint8_t *bytes = (uint8_t *)text_of(data + 2, length);
    if (length >= ALIGNED && data[0] < MESSAGE_TYPES) {
        uint32_t type = data[0];
        memcpy(bytes, &type, sizeof type);
    }
    if (length > 0 && send_packet(bytes, length, data[1] % (SENT_MAX + 1))) {
        int result = channel_receive(ends[1], &message, descriptors);
        require(result == 1 || (result == -1 && errno == EBADMSG));
        if (result == 1)
            check_message(&message, descriptors);
    }
    free(bytes);
    require(lowest_free() == probe);
    require(channel_send(ends[0], &(struct message){ .type = MESSAGE_MEASURE }, NULL, 0) == 0);
    require(channel_receive(ends[1], &message, descriptors) == 1 && message.type == MESSAGE_MEASURE);
    return 0;
}
