#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop.h"
#include "notify.h"

#define SELF 4242

static void addresses(void **state)
{
    (void)state;
    struct sockaddr_un address;
    socklen_t size;
    char longest[109], too_long[110];
    memset(longest, 'a', sizeof longest);
    longest[0] = '/';
    longest[107] = '\0';
    memset(too_long, 'a', sizeof too_long);
    too_long[0] = '/';
    too_long[108] = '\0';

    assert_true(notify_parse_address("/run/n", &address, &size));
    assert_string_equal(address.sun_path, "/run/n");
    assert_int_equal(size, offsetof(struct sockaddr_un, sun_path) + 7);
    assert_true(notify_parse_address("@name", &address, &size));
    assert_memory_equal(address.sun_path, "\0name", 5);
    assert_int_equal(size, offsetof(struct sockaddr_un, sun_path) + 5);
    assert_true(notify_parse_address(longest, &address, &size));
    assert_false(notify_parse_address(too_long, &address, &size));
    assert_false(notify_parse_address("", &address, &size));
    assert_false(notify_parse_address("@", &address, &size));
    assert_false(notify_parse_address("/", &address, &size));
    assert_false(notify_parse_address("run/n", &address, &size));
    assert_false(notify_parse_address("vsock:2:9999", &address, &size));
}

static void times_of_the_watchdog(void **state)
{
    (void)state;
    assert_int_equal(notify_watchdog_ns("3000000", NULL, SELF), 1500000000);
    assert_int_equal(notify_watchdog_ns("3000000", "4242", SELF), 1500000000);
    assert_int_equal(notify_watchdog_ns("1", NULL, SELF), 500);
    assert_int_equal(notify_watchdog_ns("3000000", "4243", SELF), 0);
    assert_int_equal(notify_watchdog_ns("3000000", "", SELF), 0);
    assert_int_equal(notify_watchdog_ns(NULL, "4242", SELF), 0);
    static const char *const wrong[] = {
        "", "0", "-1", "x", "1s", " 1", "99999999999999999999", "18446744073709551615"
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(notify_watchdog_ns(wrong[i], NULL, SELF), 0);
}

static int receiver(struct sockaddr_un *address, socklen_t *size)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    *size = sizeof *address;
    assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof(sa_family_t)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, size), 0);
    char name[120];
    size_t length = *size - offsetof(struct sockaddr_un, sun_path);
    memcpy(name, address->sun_path, length);
    name[0] = '@';
    name[length] = '\0';
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

static const char *received(int fd)
{
    static char text[256];
    ssize_t got = recv(fd, text, sizeof text - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

static void enough(void *data)
{
    loop_stop(data);
}

static void assignments_and_signs_of_life_arrive(void **state)
{
    (void)state;
    struct sockaddr_un address;
    socklen_t size;
    struct notify notify;
    struct loop *loop = loop_new();
    int fd = receiver(&address, &size);
    setenv("WATCHDOG_USEC", "2000", 1);
    unsetenv("WATCHDOG_PID");
    notify_open(&notify, loop);
    assert_int_equal(notify.watchdog_ns, 1000000);
    assert_string_equal(received(fd), "WATCHDOG=1");
    assert_string_equal(received(fd), "");
    notify_send(&notify, "READY=1\nSTATUS=x");
    assert_string_equal(received(fd), "READY=1\nSTATUS=x");

    /* Each time right behind the next sign, however late that comes. */
    struct loop_timer stop = { .expired = enough, .data = loop };
    for (int sign = 0; sign < 2; sign++) {
        loop_timer_set(loop, &stop, notify.watchdog.deadline_ns + 1);
        loop_run(loop);
        assert_string_equal(received(fd), "WATCHDOG=1");
    }
    assert_true(loop_timer_is_set(&notify.watchdog));
    notify_close(&notify);
    assert_false(loop_timer_is_set(&notify.watchdog));
    notify_send(&notify, "READY=1"); /* to nobody */
    loop_free(loop);
    close(fd);
}

static void another_process_s_watchdog_is_not_ours(void **state)
{
    (void)state;
    struct sockaddr_un address;
    socklen_t size;
    struct notify notify;
    struct loop *loop = loop_new();
    int fd = receiver(&address, &size);
    setenv("WATCHDOG_USEC", "2000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    notify_open(&notify, loop);
    assert_false(loop_timer_is_set(&notify.watchdog));
    assert_string_equal(received(fd), "");
    notify_close(&notify);
    loop_free(loop);
    close(fd);
}

static void without_an_address_nothing_happens(void **state)
{
    (void)state;
    static const char *const values[] = { NULL, "", "vsock:1:2" };
    struct notify notify;
    struct loop *loop = loop_new();
    setenv("WATCHDOG_USEC", "2000", 1);
    unsetenv("WATCHDOG_PID");
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        if (values[i])
            setenv("NOTIFY_SOCKET", values[i], 1);
        else
            unsetenv("NOTIFY_SOCKET");
        notify_open(&notify, loop);
        assert_int_equal(notify.fd, -1);
        assert_false(loop_timer_is_set(&notify.watchdog));
        notify_send(&notify, "READY=1");
        notify_close(&notify);
    }
    /* Somebody who is gone. */
    setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
    notify_open(&notify, loop);
    notify_send(&notify, "READY=1");
    notify_close(&notify);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(times_of_the_watchdog),
        cmocka_unit_test(assignments_and_signs_of_life_arrive),
        cmocka_unit_test(another_process_s_watchdog_is_not_ours),
        cmocka_unit_test(without_an_address_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
