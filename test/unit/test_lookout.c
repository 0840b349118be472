#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "escrow.h"
#include "handback.h"
#include "lookout.h"

#define CONNECTIONS 16
#define PATIENCE_MS 20000
#define ROUNDS 3000
#define SLOW_EVERY 20 /* rounds */

/* A worker that is in a request between lookout_begin and lookout_end, and beside it one that is idle. */
static struct {
    struct scoreboard *board;
    struct slot *own, *other;
    struct connection_table table;
    struct lookout lookout;
    int queue;
    int64_t began_ns; /* the request in hand */
    int clients[CONNECTIONS];
    uint8_t room[4096];
} test;

static int set_up(void **state)
{
    (void)state;
    int board_fd, ends[2];

    test.board = scoreboard_create(2, &board_fd);
    assert_non_null(test.board);
    close(board_fd);
    test.own = &test.board->slot[0];
    test.other = &test.board->slot[1];
    atomic_store(&test.own->state, SLOT_BUSY);
    atomic_store(&test.other->state, SLOT_IDLE);
    test.queue = escrow_new();
    assert_int_not_equal(test.queue, -1);
    test.table = (struct connection_table){
        .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
        .published = &test.own->connections,
        .escrow = escrow_new(),
    };
    for (int i = 0; i < CONNECTIONS; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
        test.clients[i] = ends[1];
        struct connection *connection = connection_open(&test.table, ends[0]);
        assert_true(connection_await(&test.table, connection, i % 2 == 0 ? WAIT_IDLE : WAIT_HEAD, 0));
    }
    lookout_open(&test.lookout, &test.table, test.board, test.own, test.queue);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lookout_close(&test.lookout);
    for (int wait = 0; wait < WAIT_KINDS; wait++)
        while (test.table.waiting[wait].first != NULL)
            connection_close(&test.table, test.table.waiting[wait].first);
    connection_release(&test.table);
    for (int i = 0; i < CONNECTIONS; i++)
        close(test.clients[i]);
    close(test.table.epoll_fd);
    close(test.table.escrow);
    close(test.queue);
    scoreboard_detach(test.board);
    return 0;
}

static void begin_request(void)
{
    test.began_ns = clock_monotonic_ns();
    lookout_begin(&test.lookout);
}

static void end_request(void)
{
    lookout_end(&test.lookout, test.began_ns, clock_monotonic_ns());
}

static void send_byte(int client)
{
    assert_int_equal(send(test.clients[client], "x", 1, MSG_NOSIGNAL), 1);
}

static bool is_given_within(int ms)
{
    struct pollfd ready = { .fd = test.queue, .events = POLLIN };

    return poll(&ready, 1, ms) == 1;
}

/* As another worker takes them, but that it is this one. */
static unsigned take_all(void)
{
    unsigned count = 0;

    while (handback_take(test.queue, &test.table, test.room, sizeof test.room) != NULL)
        count++;
    return count;
}

static void test_what_becomes_readable_is_given(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        begin_request();
        send_byte(round);
        assert_true(is_given_within(PATIENCE_MS));
        send_byte(round + 5);
        end_request();
        connection_release(&test.table);
        unsigned taken = take_all();
        assert_in_range(taken, 1, round < 1 ? 2 : CONNECTIONS);
        assert_int_equal(test.table.count, CONNECTIONS);
    }
}

static void test_only_who_is_in_a_request_gives(void **state)
{
    (void)state;
    begin_request();
    end_request();
    send_byte(0);
    assert_false(is_given_within(20));
    begin_request();
    assert_true(is_given_within(PATIENCE_MS));
    end_request();
    assert_int_equal(test.table.count, CONNECTIONS - 1);
    take_all();
}

static void test_somebody_must_be_there_to_take_it(void **state)
{
    (void)state;
    atomic_store(&test.other->state, SLOT_DRAINING);
    begin_request();
    send_byte(0);
    assert_false(is_given_within(20));
    atomic_store(&test.other->state, SLOT_BUSY); /* sooner or later it is free */
    assert_true(is_given_within(PATIENCE_MS));
    end_request();
    take_all();

    atomic_store(&test.other->state, SLOT_FREE);
    begin_request();
    send_byte(1);
    assert_false(is_given_within(20));
    atomic_store(&test.own->drain, 1); /* to the next generation */
    assert_true(is_given_within(PATIENCE_MS));
    end_request();
    take_all();

    atomic_store(&test.board->last, 1); /* there is none */
    begin_request();
    send_byte(2);
    assert_false(is_given_within(20));
    end_request();
}

static void test_nothing_is_given_while_it_is_held(void **state)
{
    (void)state;
    assert_false(lookout_hold()); /* no request */
    begin_request();
    assert_true(lookout_hold());
    assert_false(lookout_hold());
    send_byte(0);
    assert_false(is_given_within(20));
    lookout_release();
    assert_true(is_given_within(PATIENCE_MS));
    assert_true(lookout_hold());
    assert_int_equal(take_all(), 1);
    lookout_release();
    end_request();
    assert_int_equal(test.table.count, CONNECTIONS);
}

/* What the loop does outside of requests. */
static unsigned receive_all(void)
{
    struct epoll_event events[CONNECTIONS];
    char bytes[64];
    unsigned sum = 0;

    int count = epoll_wait(test.table.epoll_fd, events, CONNECTIONS, 0);
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        ssize_t got = recv(connection->fd, bytes, sizeof bytes, 0);
        assert_true(got > 0);
        sum += (unsigned)got;
        connection_save(&test.table, connection, (uint8_t *)bytes, 1);
        connection_save(&test.table, connection, NULL, 0);
        connection_unbegin(&test.table, connection);
    }
    return sum;
}

static void test_a_slow_request_is_remembered_for_a_minute(void **state)
{
    (void)state;
    const int64_t now_ns = 1000 * CLOCK_NS_PER_S;

    assert_false(lookout_expects_slow(&test.lookout, now_ns));
    lookout_begin(&test.lookout);
    lookout_end(&test.lookout, now_ns - CLOCK_NS_PER_MS, now_ns);
    assert_false(lookout_expects_slow(&test.lookout, now_ns));
    lookout_begin(&test.lookout);
    lookout_end(&test.lookout, now_ns - 200 * CLOCK_NS_PER_MS, now_ns);
    assert_true(lookout_expects_slow(&test.lookout, now_ns));
    lookout_begin(&test.lookout);
    lookout_end(&test.lookout, now_ns + 58 * CLOCK_NS_PER_S, now_ns + 58 * CLOCK_NS_PER_S + CLOCK_NS_PER_MS);
    assert_true(lookout_expects_slow(&test.lookout, now_ns + 59 * CLOCK_NS_PER_S));
    assert_false(lookout_expects_slow(&test.lookout, now_ns + 61 * CLOCK_NS_PER_S));
}

/* Short requests and long ones, whose ends meet the thread at any moment. */
static void test_nothing_is_lost_and_nothing_has_two_owners(void **state)
{
    (void)state;
    unsigned sent = 0, received = 0, taken = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        bool slow = round % SLOW_EVERY == 0;
        begin_request();
        for (int i = slow + rand() % 4; i > 0; i--, sent++)
            send_byte(rand() % CONNECTIONS);
        if (slow) /* now and then as long as a busy machine needs */
            is_given_within(round % (ROUNDS / 3) == 0 ? PATIENCE_MS : 1 + rand() % 4);
        if (round % 7 == 0 && lookout_hold())
            lookout_release();
        end_request();
        connection_release(&test.table);
        taken += take_all();
        assert_int_equal(test.table.count, CONNECTIONS);
        assert_int_equal(test.own->connections, CONNECTIONS);
        received += receive_all();
    }
    received += receive_all();
    assert_int_equal(received, sent);
    assert_true(taken > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_becomes_readable_is_given, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_only_who_is_in_a_request_gives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_somebody_must_be_there_to_take_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_is_given_while_it_is_held, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_slow_request_is_remembered_for_a_minute, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_is_lost_and_nothing_has_two_owners, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
