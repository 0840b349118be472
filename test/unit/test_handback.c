#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "escrow.h"
#include "handback.h"
#include "unbegun.h"

#define SECOND INT64_C(1000000000)

/* Two workers of a generation. */
static struct connection_table giver, taker;
static _Atomic uint32_t giver_count, taker_count;
static int queue;
static uint8_t room[100000];

static void open_table(struct connection_table *table, _Atomic uint32_t *count)
{
    *table = (struct connection_table){
        .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
        .timeouts_ns = { [WAIT_HEAD] = 2 * SECOND, [WAIT_BODY] = 30 * SECOND, [WAIT_IDLE] = 60 * SECOND },
        .published = count,
        .escrow = escrow_new(),
    };
}

static int set_up(void **state)
{
    (void)state;
    open_table(&giver, &giver_count);
    open_table(&taker, &taker_count);
    queue = escrow_new();
    return queue != -1 ? 0 : -1;
}

static void close_table(struct connection_table *table)
{
    for (int wait = 0; wait < WAIT_KINDS; wait++)
        while (table->waiting[wait].first != NULL)
            connection_close(table, table->waiting[wait].first);
    connection_release(table);
    close(table->epoll_fd);
    close(table->escrow);
}

static int tear_down(void **state)
{
    (void)state;
    close_table(&giver);
    close_table(&taker);
    close(queue);
    return 0;
}

/* A connection of the giver, and its client's end. */
static struct connection *open_connection(int *client, enum connection_wait wait, int64_t now_ns)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    struct connection *connection = connection_open(&giver, ends[0]);
    assert_true(connection_await(&giver, connection, wait, now_ns));
    *client = ends[1];
    return connection;
}

static void give(struct connection *connection)
{
    assert_true(handback_give(queue, &giver, connection));
    assert_int_equal(connection->fd, -1);
    connection_forget_given(&giver);
    connection_release(&giver);
}

static struct connection *take(void)
{
    return handback_take(queue, &taker, room, sizeof room);
}

static void test_a_connection_goes_over(void **state)
{
    (void)state;
    struct epoll_event event;
    char bytes[8];
    int client;

    assert_null(take());
    struct connection *connection = open_connection(&client, WAIT_IDLE, 5);
    assert_int_equal(write(client, "next", 4), 4);
    int copy = dup(connection->fd); /* as the giver has it until it has come to closing it */
    give(connection);
    assert_int_equal(giver.count, 0);
    assert_int_equal(giver_count, 0);
    assert_int_equal(epoll_wait(giver.epoll_fd, &event, 1, 0), 0);

    connection = take();
    assert_non_null(connection);
    assert_null(take());
    assert_int_equal(connection->wait, WAIT_IDLE);
    assert_int_equal(connection->deadline_ns, 60 * SECOND + 5);
    assert_int_equal(connection->received_ns, 0);
    assert_false(unbegun_is_marked(connection->fd));
    assert_int_equal(taker_count, 1);
    assert_int_equal(epoll_wait(taker.epoll_fd, &event, 1, 0), 1);
    assert_ptr_equal(event.data.ptr, connection);
    assert_int_equal(read(connection->fd, bytes, sizeof bytes), 4);
    assert_int_equal(write(client, "more", 4), 4);
    connection_close(&taker, connection);
    assert_int_equal(epoll_wait(taker.epoll_fd, &event, 1, 0), 0);
    close(copy);
    assert_true(read(client, bytes, sizeof bytes) <= 0); /* nobody else has it open */
    close(client);
}

static void test_what_was_received_goes_with_it(void **state)
{
    (void)state;
    static uint8_t bytes[70000];
    int client;

    memset(bytes, 'b', sizeof bytes);
    struct connection *connection = open_connection(&client, WAIT_BODY, 0);
    connection->received_ns = 7;
    connection_save(&giver, connection, bytes, sizeof bytes);
    give(connection);
    assert_int_equal(giver.saved_bytes, 0);

    connection = take();
    assert_int_equal(connection->wait, WAIT_BODY);
    assert_int_equal(connection->received_ns, 7);
    assert_int_equal(connection->saved_length, sizeof bytes);
    assert_memory_equal(connection->saved, bytes, sizeof bytes);
    assert_int_equal(taker.saved_bytes, sizeof bytes);
    assert_true(unbegun_is_marked(connection->fd)); /* with what follows alone nobody could begin */
    close(client);
}

static void test_without_a_descriptor_it_stays_there(void **state)
{
    (void)state;
    struct rlimit before;
    int client;

    give(open_connection(&client, WAIT_IDLE, 0));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 3, before.rlim_max }), 0);
    assert_null(take());
    assert_int_equal(errno, EMFILE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_non_null(take());
    close(client);
}

/* A request that is cut would be answered as another one. */
static void test_more_than_there_is_room_for_ends_it(void **state)
{
    (void)state;
    static const uint8_t bytes[100];
    int client;

    struct connection *connection = open_connection(&client, WAIT_HEAD, 0);
    connection_save(&giver, connection, bytes, sizeof bytes);
    give(connection);
    assert_null(handback_take(queue, &taker, room, sizeof bytes - 1));
    assert_int_equal(taker.count, 0);
    assert_int_equal(read(client, &(char){ 0 }, 1), 0);
    close(client);
}

/* Those that wait are a list by deadline, wherever they waited before. */
static void test_order_of_deadlines(void **state)
{
    (void)state;
    static const int64_t begun[] = { 3, 1, 2, 9 };
    int clients[5], ends[2];

    for (int i = 0; i < 4; i++)
        give(open_connection(&clients[i], WAIT_HEAD, begun[i]));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    clients[4] = ends[1];
    assert_true(connection_await(&taker, connection_open(&taker, ends[0]), WAIT_HEAD, 4));
    for (int i = 0; i < 4; i++)
        assert_non_null(take());
    int64_t before = 0;
    for (struct connection *at = taker.waiting[WAIT_HEAD].first; at != NULL; at = at->next) {
        assert_true(at->deadline_ns > before);
        assert_ptr_equal(at->next != NULL ? at->next->previous : taker.waiting[WAIT_HEAD].last, at);
        before = at->deadline_ns;
    }
    assert_int_equal(before, 2 * SECOND + 9);
    assert_int_equal(taker.waiting[WAIT_HEAD].count, 5);
    for (int i = 0; i < 5; i++)
        close(clients[i]);
}

/* Whoever serves it next marks it as not begun: then no copy may be left with a worker that does not have it any more.
 */
static void test_no_copy_stays_in_the_escrow(void **state)
{
    (void)state;
    int clients[3];
    struct connection *connections[3];

    for (int i = 0; i < 3; i++) {
        connections[i] = open_connection(&clients[i], WAIT_HEAD, 0);
        assert_true(escrow_deposit(giver.escrow, connections[i]->fd));
        connections[i]->deposited = true;
        connections[i]->exposed = false;
        giver.deposits++;
    }
    giver.exposed = 0;
    give(connections[1]);
    struct connection *taken = take();
    assert_false(unbegun_is_marked(taken->fd));
    assert_int_equal(giver.deposits, 2);
    assert_int_equal(taker.exposed, 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(write(clients[i], &"abc"[i], 1), 1);
    for (int i = 0; i < 2; i++) {
        int copy = escrow_withdraw(giver.escrow);
        char byte;
        assert_int_equal(read(copy, &byte, 1), 1);
        assert_int_not_equal(byte, 'b'); /* those of the others */
        close(copy);
    }
    assert_int_equal(escrow_withdraw(giver.escrow), -1);
    for (int i = 0; i < 3; i++)
        close(clients[i]);
}

static void test_a_full_queue_leaves_it_where_it_is(void **state)
{
    (void)state;
    int clients[1024], given = 0;
    struct connection *connection;

    for (;;) {
        connection = open_connection(&clients[given], WAIT_IDLE, 0);
        if (given == 1023 || !handback_give(queue, &giver, connection))
            break;
        given++;
    }
    assert_in_range(given, 16, 1022);
    assert_int_not_equal(connection->fd, -1);
    assert_false(unbegun_is_marked(connection->fd));
    connection_forget_given(&giver);
    assert_int_equal(giver.count, 1);
    assert_ptr_equal(giver.waiting[WAIT_IDLE].first, connection);
    for (int i = 0; i < given; i++)
        assert_non_null(take());
    assert_null(take());
    for (int i = 0; i <= given; i++)
        close(clients[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_connection_goes_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_was_received_goes_with_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_a_descriptor_it_stays_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_more_than_there_is_room_for_ends_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order_of_deadlines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_copy_stays_in_the_escrow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_full_queue_leaves_it_where_it_is, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
