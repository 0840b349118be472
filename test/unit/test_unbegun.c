#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "unbegun.h"

struct sockets {
    int listener, client, accepted;
};

static struct sockets connect_to(const struct sockaddr *address, socklen_t size)
{
    struct sockaddr_storage bound;
    socklen_t bound_size = sizeof bound;
    struct sockets sockets = { .listener = socket(address->sa_family, SOCK_STREAM, 0) };

    assert_int_equal(bind(sockets.listener, address, size), 0);
    assert_int_equal(listen(sockets.listener, 1), 0);
    assert_int_equal(getsockname(sockets.listener, (struct sockaddr *)&bound, &bound_size), 0);
    sockets.client = socket(address->sa_family, SOCK_STREAM, 0);
    assert_int_equal(connect(sockets.client, (struct sockaddr *)&bound, bound_size), 0);
    sockets.accepted = accept(sockets.listener, NULL, NULL);
    assert_true(sockets.accepted >= 0);
    return sockets;
}

/* An abstract address of the kernel's choice. */
static struct sockets local(void)
{
    const struct sockaddr_un any = { .sun_family = AF_UNIX };

    return connect_to((const struct sockaddr *)&any, sizeof any.sun_family);
}

static struct sockets internet(void)
{
    const struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY) };

    return connect_to((const struct sockaddr *)&any, sizeof any);
}

static void close_all(const struct sockets *sockets)
{
    close(sockets->listener);
    close(sockets->client);
    close(sockets->accepted);
}

static void test_accepted_connections_are_told_from_all_else(void **state)
{
    (void)state;
    const struct sockets all[] = { local(), internet(), local(), internet() };
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    for (size_t i = 0; i < 4; i++) {
        const int listeners[] = { all[i ^ 1].listener, all[i].listener };
        assert_true(unbegun_connection(all[i].accepted, listeners, 2));
        assert_false(unbegun_connection(all[i].accepted, listeners, 1));
        assert_false(unbegun_connection(all[i].accepted, listeners, 0));
        assert_false(unbegun_connection(all[i].accepted, &all[i ^ 2].listener, 1));
        assert_false(unbegun_connection(all[i].listener, listeners, 2));
        assert_false(unbegun_connection(all[i].client, listeners, 2));
        assert_false(unbegun_connection(pair[0], listeners, 2));
        assert_false(unbegun_connection(-1, listeners, 2));
    }
    for (size_t i = 0; i < 4; i++)
        close_all(&all[i]);
    close(pair[0]);
    close(pair[1]);
}

static void test_the_mark_is_seen_through_a_copy(void **state)
{
    (void)state;
    const struct sockets sockets = local();
    int copy = dup(sockets.accepted);

    unbegun_mark(sockets.accepted, true);
    assert_false(unbegun_connection(copy, &sockets.listener, 1));
    unbegun_mark(sockets.accepted, false);
    assert_true(unbegun_connection(copy, &sockets.listener, 1));
    close(copy);
    close_all(&sockets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted_connections_are_told_from_all_else),
        cmocka_unit_test(test_the_mark_is_seen_through_a_copy),
    };

    return cmocka_run_group_tests_name("unbegun", tests, NULL, NULL);
}
