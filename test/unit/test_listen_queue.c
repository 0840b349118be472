#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "listen_queue.h"

#define CLIENTS 3
#define PATIENCE_MS 10000

/* The last packet of a TCP connection's beginning may be on its way yet when its client knows of it. */
static void await_waiting(int listener, int64_t expected)
{
    for (int i = 0; i < PATIENCE_MS && listen_queue_read(listener).waiting != expected; i++)
        poll(NULL, 0, 1);
    assert_int_equal(listen_queue_read(listener).waiting, expected);
}

/* Clients come, one is accepted, all leave; what waits is what was not accepted. */
static void follow_queue(int family, const struct sockaddr *wanted, socklen_t size)
{
    struct sockaddr_storage bound;
    struct sockaddr *address = (struct sockaddr *)&bound;
    int listener = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0), clients[CLIENTS];
    assert_int_equal(bind(listener, wanted, size), 0);
    size = sizeof bound;
    assert_int_equal(listen(listener, 7), 0);
    assert_int_equal(getsockname(listener, address, &size), 0);
    struct listen_queue queue = listen_queue_read(listener);
    assert_int_equal(queue.waiting, 0);
    assert_int_equal(queue.bound, 7);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = socket(family, SOCK_STREAM, 0);
        assert_int_equal(connect(clients[i], address, size), 0);
        await_waiting(listener, i + 1);
    }
    int accepted = accept(listener, NULL, NULL);
    assert_true(accepted >= 0);
    assert_int_equal(listen_queue_read(listener).waiting, CLIENTS - 1);
    assert_int_equal(listen(listener, 9), 0);
    assert_int_equal(listen_queue_read(listener).bound, 9);
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    close(accepted);
    close(listener);
}

static void of_a_unix_socket(void **state)
{
    (void)state;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    /* An abstract name that the kernel chooses. */
    follow_queue(AF_UNIX, (struct sockaddr *)&address, sizeof(sa_family_t));
}

static void of_a_path(void **state)
{
    (void)state;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/listen-queue-%ld", (long)getpid());
    follow_queue(AF_UNIX, (struct sockaddr *)&address, sizeof address);
    unlink(address.sun_path);
}

static void of_tcp(void **state)
{
    (void)state;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    follow_queue(AF_INET, (struct sockaddr *)&address, sizeof address);
}

static void of_tcp_6(void **state)
{
    (void)state;
    struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    bool usable = probe >= 0 && bind(probe, (struct sockaddr *)&address, sizeof address) == 0;
    close(probe);
    if (!usable) {
        print_message("there is no IPv6 here\n");
        skip();
    }
    follow_queue(AF_INET6, (struct sockaddr *)&address, sizeof address);
}

static void of_nothing(void **state)
{
    (void)state;
    errno = 77;
    struct listen_queue queue = listen_queue_read(-1);
    assert_int_equal(queue.waiting, -1);
    assert_int_equal(queue.bound, -1);
    int file = open("/dev/null", O_RDONLY);
    queue = listen_queue_read(file);
    assert_int_equal(queue.waiting, -1);
    assert_int_equal(queue.bound, -1);
    close(file);
    assert_int_equal(errno, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_unix_socket), cmocka_unit_test(of_a_path),  cmocka_unit_test(of_tcp),
        cmocka_unit_test(of_tcp_6),         cmocka_unit_test(of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
