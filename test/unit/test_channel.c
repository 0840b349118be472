#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channel.h"

#define HEAD offsetof(struct message, text)

static int ends[2];
static int open_before;

static int count_open(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;

    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static int set_up(void **state)
{
    (void)state;
    open_before = count_open();
    return channel_pair(ends);
}

/* Every test: not one descriptor more than before. */
static int tear_down(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return count_open() == open_before ? 0 : -1;
}

static void assert_bad(void)
{
    struct message message;
    int descriptors[CHANNEL_DESCRIPTORS_MAX];

    errno = 0;
    assert_int_equal(channel_receive(ends[1], &message, descriptors), -1);
    assert_int_equal(errno, EBADMSG);
    /* The channel still works. */
    assert_int_equal(channel_send(ends[0], &(struct message){ .type = MESSAGE_MEASURE }, NULL, 0), 0);
    assert_int_equal(channel_receive(ends[1], &message, descriptors), 1);
    assert_int_equal(message.type, MESSAGE_MEASURE);
}

static void the_pair_is_cloexec_and_nonblocking(void **state)
{
    struct message message;
    int descriptors[CHANNEL_DESCRIPTORS_MAX];

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_true(fcntl(ends[i], F_GETFD) & FD_CLOEXEC);
        assert_true(fcntl(ends[i], F_GETFL) & O_NONBLOCK);
        assert_int_equal(channel_receive(ends[i], &message, descriptors), -1);
        assert_int_equal(errno, EAGAIN);
    }
}

static void every_type_travels(void **state)
{
    static const unsigned counts[] = {
#define MESSAGE(NAME, member, descriptors, doc) descriptors,
#include "messages.def"
#undef MESSAGE
    };

    (void)state;
    for (uint32_t type = 0; type < MESSAGE_TYPES; type++) {
        struct message sent = { .type = type }, received = { .type = 99 };
        int pipes[2], descriptors[CHANNEL_DESCRIPTORS_MAX], given[CHANNEL_DESCRIPTORS_MAX];

        assert_int_equal(pipe(pipes), 0);
        for (unsigned i = 0; i < CHANNEL_DESCRIPTORS_MAX; i++)
            given[i] = pipes[i % 2];
        assert_int_equal(channel_send(ends[0], &sent, given, counts[type]), 0);
        assert_int_equal(channel_receive(ends[1], &received, descriptors), 1);
        assert_int_equal(received.type, type);
        for (unsigned i = 0; i < counts[type]; i++) {
            struct stat a, b;

            assert_true(fcntl(descriptors[i], F_GETFD) & FD_CLOEXEC);
            assert_int_equal(fstat(descriptors[i], &a) | fstat(given[i], &b), 0);
            assert_int_equal(a.st_ino, b.st_ino);
            close(descriptors[i]);
        }
        close(pipes[0]);
        close(pipes[1]);
    }
    assert_string_equal(message_name(MESSAGE_FORK), "FORK");
    assert_string_equal(message_name(MESSAGE_TYPES), "?");
}

static void payloads_arrive(void **state)
{
    struct message message = { .type = MESSAGE_LOADED, .loaded = { .apps = 2, .load_ns = 77, .region_objects = 5 } };
    int descriptors[CHANNEL_DESCRIPTORS_MAX];

    (void)state;
    assert_int_equal(channel_send(ends[0], &message, NULL, 0), 0);
    memset(&message, 0xee, sizeof message);
    assert_int_equal(channel_receive(ends[1], &message, descriptors), 1);
    assert_int_equal(message.loaded.apps, 2);
    assert_int_equal(message.loaded.load_ns, 77);
    assert_int_equal(message.loaded.region_objects, 5);

    message = (struct message){ .type = MESSAGE_FORKED, .forked = { .slot = 3, .pid = 0, .error = ENOMEM } };
    assert_int_equal(channel_send(ends[1], &message, NULL, 0), 0);
    memset(&message, 0xee, sizeof message);
    assert_int_equal(channel_receive(ends[0], &message, descriptors), 1);
    assert_int_equal(message.forked.error, ENOMEM);
    assert_int_equal(message.forked.slot, 3);
}

static void texts_travel_with_their_own_length(void **state)
{
    struct message message = { .type = MESSAGE_FAILED };
    char raw[8192];
    int descriptors[CHANNEL_DESCRIPTORS_MAX];

    (void)state;
    strcpy(message.text, "app.rb:3: syntax error");
    assert_int_equal(channel_send(ends[0], &message, NULL, 0), 0);
    assert_int_equal(recv(ends[1], raw, sizeof raw, MSG_PEEK), HEAD + 23);
    memset(&message, 0xee, sizeof message);
    assert_int_equal(channel_receive(ends[1], &message, descriptors), 1);
    assert_string_equal(message.text, "app.rb:3: syntax error");

    /* The longest. */
    memset(message.text, 'x', sizeof message.text);
    assert_int_equal(channel_send(ends[0], &message, NULL, 0), -1);
    assert_int_equal(errno, EINVAL);
    message.text[CHANNEL_TEXT_SIZE - 1] = '\0';
    assert_int_equal(channel_send(ends[0], &message, NULL, 0), 0);
    memset(&message, 0xee, sizeof message);
    assert_int_equal(channel_receive(ends[1], &message, descriptors), 1);
    assert_int_equal(strlen(message.text), CHANNEL_TEXT_SIZE - 1);
}

static void wrong_sends_are_refused(void **state)
{
    struct message message = { .type = MESSAGE_FORK };
    int descriptors[CHANNEL_DESCRIPTORS_MAX] = { 0 };

    (void)state;
    assert_int_equal(channel_send(ends[0], &message, descriptors, 1), -1);
    assert_int_equal(errno, EINVAL);
    message.type = MESSAGE_READY;
    assert_int_equal(channel_send(ends[0], &message, descriptors, 1), -1);
    assert_int_equal(errno, EINVAL);
    message.type = MESSAGE_TYPES;
    assert_int_equal(channel_send(ends[0], &message, NULL, 0), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(recv(ends[1], &message, sizeof message, 0), -1);
}

static void the_end_is_noticed(void **state)
{
    struct message message = { .type = MESSAGE_MEASURE };
    int descriptors[CHANNEL_DESCRIPTORS_MAX];

    (void)state;
    close(ends[0]);
    assert_int_equal(channel_receive(ends[1], &message, descriptors), 0);
    message.type = MESSAGE_MEASURE;
    assert_int_equal(channel_send(ends[1], &message, NULL, 0), -1);
    assert_true(errno == EPIPE || errno == ECONNRESET);
}

static void a_full_channel_says_so(void **state)
{
    struct message message = { .type = MESSAGE_MEASURE };
    int sent = 0;

    (void)state;
    while (channel_send(ends[0], &message, NULL, 0) == 0)
        assert_in_range(++sent, 1, 1000000);
    assert_int_equal(errno, EAGAIN);
}

/* Sends any bytes with any descriptors. */
static void send_raw(const void *bytes, size_t length, unsigned count)
{
    char control[CMSG_SPACE(sizeof(int) * 16)] __attribute__((aligned(8))) = { 0 };
    struct iovec part = { .iov_base = (void *)bytes, .iov_len = length };
    struct msghdr packet = { .msg_iov = &part, .msg_iovlen = 1 };

    if (count > 0) {
        packet.msg_control = control;
        packet.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *rights = CMSG_FIRSTHDR(&packet);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
        for (unsigned i = 0; i < count; i++)
            memcpy(CMSG_DATA(rights) + i * sizeof(int), &ends[0], sizeof(int));
    }
    assert_int_equal(sendmsg(ends[0], &packet, 0), length);
}

static void malformed_packets_leak_nothing(void **state)
{
    struct message message = { .type = MESSAGE_FORK };
    static char big[sizeof(struct message) + 100];
    uint32_t type = MESSAGE_FAILED;

    (void)state;
    send_raw(&message, HEAD + sizeof message.fork, 2); /* one descriptor too few */
    assert_bad();
    send_raw(&message, HEAD + sizeof message.fork, 4); /* one too many */
    assert_bad();
    send_raw(&message, HEAD + sizeof message.fork, 16); /* more than the control buffer takes */
    assert_bad();
    send_raw(&message, HEAD + sizeof message.fork - 1, 3);
    assert_bad();
    send_raw(&message, HEAD + sizeof message.fork + 1, 3);
    assert_bad();
    send_raw(&message, HEAD, 3);
    assert_bad();
    send_raw(&message, 3, 0);
    assert_bad();
    send_raw(&message, 1, 4);
    assert_bad();
    message.type = MESSAGE_TYPES;
    send_raw(&message, sizeof message, 0);
    assert_bad();
    message.type = UINT32_MAX;
    send_raw(&message, HEAD + 1, 2);
    assert_bad();
    memcpy(big, &type, sizeof type);
    send_raw(big, sizeof big, 4); /* longer than any message */
    assert_bad();
    memset(big + HEAD, 'x', 100); /* a text without its end, with more behind its end */
    send_raw(big, HEAD + 50, 0);
    assert_bad();
    big[HEAD + 20] = '\0';
    send_raw(big, HEAD + 50, 0);
    assert_bad();
}

static void no_room_for_descriptors_leaks_nothing(void **state)
{
    struct rlimit limit, low;
    struct message message = { .type = MESSAGE_FORK };
    int descriptors[CHANNEL_DESCRIPTORS_MAX];

    (void)state;
    message.fork.slot = 7;
    send_raw(&message, HEAD + sizeof message.fork, 3);
    message = (struct message){ .type = MESSAGE_TYPES };
    int highest = dup(ends[0]);
    close(highest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = (struct rlimit){ .rlim_cur = (rlim_t)highest + 1, .rlim_max = limit.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    int result = channel_receive(ends[1], &message, descriptors);
    int error = errno;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(result, -1);
    assert_int_equal(error, EMFILE);
    assert_int_equal(message.type, MESSAGE_FORK);
    assert_int_equal(message.fork.slot, 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_pair_is_cloexec_and_nonblocking),
        TEST(every_type_travels),
        TEST(payloads_arrive),
        TEST(texts_travel_with_their_own_length),
        TEST(wrong_sends_are_refused),
        TEST(the_end_is_noticed),
        TEST(a_full_channel_says_so),
        TEST(malformed_packets_leak_nothing),
        TEST(no_room_for_descriptors_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
