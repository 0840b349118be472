/* What the supervisor asks of a worker: to drain, a number of requests at most, its memory, another access log. */
#include "server_fixture.h"

#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "unbegun.h"

static _Atomic uint32_t *watched_in; /* the state that the worker's slot told when it began to watch the listener */

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    if (fd == test.listener && operation == EPOLL_CTL_ADD && watched_in != NULL)
        atomic_store(watched_in, atomic_load(&test.slot->state));
    return (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}

static void test_drain(void **state)
{
    (void)state;
    struct strbuf bytes = encode((struct ask){ .uri = "/half", .keep = true });
    int idle, half, fresh, late;

    start();
    idle = client();
    send_ask(idle, (struct ask){ .uri = "/", .keep = true });
    assert_answer(idle, "0||/|");
    half = client();
    send_bytes(half, &bytes, 0, 30);
    fresh = client();
    await(connections, 3);
    send_drain(clock_monotonic_ns() + LONG_NS, false);
    await(state, SLOT_DRAINING);
    assert_end(idle);
    late = client(); /* stays in the queue, for other workers */
    send_bytes(half, &bytes, 30, bytes.length);
    assert_answer(half, "0||/half|");
    assert_end(half);
    await(connections, 1);
    send_ask(fresh, (struct ask){ .uri = "/fresh", .keep = true });
    assert_answer(fresh, "0||/fresh|");
    assert_end(fresh);
    assert_worker_ends();
    assert_int_equal(test.slot->accepted, 3);
    close(late);
    strbuf_free(&bytes);
}

static void test_drain_with_backlog(void **state)
{
    (void)state;
    int busy, kept, queued[20];

    start();
    kept = client();
    send_ask(kept, (struct ask){ .uri = "/", .keep = true });
    assert_answer(kept, "0||/|");
    busy = client();
    send_ask(busy, (struct ask){ .uri = "/wait" });
    await(state, SLOT_BUSY);
    for (size_t i = 0; i < 20; i++) {
        queued[i] = client();
        send_ask(queued[i], (struct ask){ .uri = "/queued", .keep = true });
    }
    send_ask(kept, (struct ask){ .uri = "/kept", .keep = true });
    send_drain(clock_monotonic_ns() + LONG_NS, true);
    assert_int_equal(write(test.gate, "g", 1), 1);
    assert_answer(busy, "0||/wait|");
    assert_end(busy);
    for (size_t i = 0; i < 20; i++) {
        assert_answer(queued[i], "0||/queued|");
        assert_end(queued[i]);
    }
    assert_answer(kept, "0||/kept|");
    assert_end(kept);
    assert_worker_ends();
    assert_int_equal(test.slot->completed, 23);
}

static void test_drain_deadline(void **state)
{
    (void)state;
    int fd;

    start();
    fd = client();
    await(connections, 1);
    send_drain(clock_monotonic_ns() + SHORT_NS, false);
    assert_end(fd);
    assert_worker_ends();
}

static void test_supervisor_gone(void **state)
{
    (void)state;
    int fd;

    start();
    fd = client();
    send_ask(fd, (struct ask){ .uri = "/wait" });
    await(state, SLOT_BUSY);
    close(test.channel);
    test.channel = -1;
    assert_int_equal(write(test.gate, "g", 1), 1);
    assert_answer(fd, "0||/wait|");
    assert_end(fd);
    assert_worker_ends();
}

static void test_sigterm(void **state)
{
    (void)state;
    int fd;

    start();
    fd = client();
    send_ask(fd, (struct ask){ .uri = "/wait" });
    await(state, SLOT_BUSY);
    kill(test.worker, SIGTERM);
    assert_int_equal(write(test.gate, "g", 1), 1);
    assert_answer(fd, "0||/wait|");
    assert_end(fd);
    assert_worker_ends();
}

static void test_request_limit(void **state)
{
    (void)state;
    int late;

    test.slot->request_limit = 3;
    start();
    ask((struct ask){ .uri = "/1" }, "0||/1|");
    expect_no_message();
    ask((struct ask){ .uri = "/2" }, "0||/2|");
    expect_message(MESSAGE_ALMOST_DONE);
    ask((struct ask){ .uri = "/3" }, "0||/3|");
    late = client(); /* for others */
    send_ask(late, (struct ask){ .uri = "/4" });
    expect_message(MESSAGE_SPENT);
    assert_worker_ends();
    assert_int_equal(test.slot->accepted, 3);
    close(late);
}

static void test_request_limit_announced_early(void **state)
{
    (void)state;

    test.slot->request_limit = 60;
    start();
    for (int i = 1; i < 57; i++)
        ask((struct ask){ .uri = "/" }, "0||/|");
    expect_no_message();
    ask((struct ask){ .uri = "/" }, "0||/|");
    expect_message(MESSAGE_ALMOST_DONE);
    ask((struct ask){ .uri = "/" }, "0||/|");
    ask((struct ask){ .uri = "/" }, "0||/|");
    expect_no_message();
    ask((struct ask){ .uri = "/" }, "0||/|");
    expect_message(MESSAGE_SPENT);
    assert_worker_ends();
    assert_int_equal(test.slot->accepted, 60);
}

/* Each of the connections that were accepted has its request; who comes then waits for others, or for one to give up.
 */
static void test_request_limit_is_reserved(void **state)
{
    (void)state;
    int silent[2], queued, last;

    test.slot->request_limit = 2;
    start();
    silent[0] = client();
    silent[1] = client();
    await(connections, 2);
    queued = client();
    send_ask(queued, (struct ask){ .uri = "/queued" });
    expect_no_message();
    assert_int_equal(test.slot->accepted, 0);
    close(silent[0]);
    assert_answer(queued, "0||/queued|");
    assert_end(queued);
    expect_message(MESSAGE_ALMOST_DONE);
    last = client();
    send_ask(last, (struct ask){ .uri = "/too-late" });
    send_ask(silent[1], (struct ask){ .uri = "/reserved" });
    assert_answer(silent[1], "0||/reserved|");
    assert_end(silent[1]);
    expect_message(MESSAGE_SPENT);
    assert_worker_ends();
    assert_int_equal(test.slot->accepted, 2);
    close(last);
}

/* Requests that stand one behind the other on a kept connection pass the limit; idle ones are closed. */
static void test_request_limit_with_kept_connections(void **state)
{
    (void)state;
    struct strbuf bytes = { 0 };
    int idle, busy;

    test.slot->request_limit = 3;
    start();
    idle = client();
    send_ask(idle, (struct ask){ .uri = "/", .keep = true });
    assert_answer(idle, "0||/|");
    busy = client();
    for (int i = 0; i < 4; i++) {
        struct strbuf one = encode((struct ask){ .uri = "/more", .keep = true });
        strbuf_append(&bytes, one.data, one.length);
        strbuf_free(&one);
    }
    send_bytes(busy, &bytes, 0, bytes.length);
    for (int i = 0; i < 4; i++)
        assert_answer(busy, "0||/more|");
    assert_end(busy);
    assert_end(idle);
    expect_message(MESSAGE_ALMOST_DONE);
    expect_message(MESSAGE_SPENT);
    assert_worker_ends();
    assert_int_equal(test.slot->accepted, 5);
    strbuf_free(&bytes);
}

static void test_request_limit_is_lifted(void **state)
{
    (void)state;

    test.slot->request_limit = 2;
    start();
    ask((struct ask){ .uri = "/" }, "0||/|");
    test.slot->request_limit = 0;
    for (int i = 0; i < 5; i++)
        ask((struct ask){ .uri = "/" }, "0||/|");
    assert_int_equal(test.slot->state, SLOT_IDLE);
}

/* Whoever takes it for one that is still to watch leaves a connection to it, of which it would not be told any more. */
static void test_serves_before_it_watches(void **state)
{
    (void)state;

    watched_in = mmap(NULL, sizeof *watched_in, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(watched_in, MAP_FAILED);
    start();
    ask((struct ask){ .uri = "/" }, "0||/|");
    assert_int_equal(atomic_load(watched_in), SLOT_IDLE);
    munmap(watched_in, sizeof *watched_in);
    watched_in = NULL;
}

static void await_sleep(void)
{
    int64_t until_ns = clock_monotonic_ns() + PATIENCE_MS * CLOCK_NS_PER_MS;
    char path[40], state = 0;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)test.worker);
    while (state != 'S') {
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        assert_int_equal(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
        fclose(file);
        assert_true(clock_monotonic_ns() < until_ns);
    }
}

/* It takes nothing, and is killed perhaps: a connection is to wake somebody else. */
static void test_one_that_is_told_to_go_before_it_serves_is_not_woken(void **state)
{
    (void)state;
    struct epoll_event event = { .events = EPOLLIN | EPOLLEXCLUSIVE };
    int other = epoll_create1(EPOLL_CLOEXEC), fresh;

    test.slot->drain = 1;
    start();
    await_sleep();
    assert_int_equal(epoll_ctl(other, EPOLL_CTL_ADD, test.listener, &event), 0);
    fresh = client();
    assert_int_equal(epoll_wait(other, &event, 1, 0), 1);
    send_drain(clock_monotonic_ns() + LONG_NS, false);
    assert_worker_ends();
    close(fresh);
    close(other);
}

static int take_given(void)
{
    char bytes[256];
    struct iovec part = { .iov_base = bytes, .iov_len = sizeof bytes };
    int fd;

    escrow_receive(test.handback, &fd, &part, 1);
    return fd;
}

/* It came in the same turn as a request, during which the worker was told to go: nobody else was woken for it. */
static void test_a_connection_that_one_on_its_way_out_leaves_wakes_another(void **state)
{
    (void)state;
    int kept, fresh, given, status;
    char byte = 0;

    test.handback = escrow_new();
    assert_int_not_equal(test.handback, -1);
    test.board->slot[1].state = SLOT_IDLE;
    start();
    kept = client();
    send_ask(kept, (struct ask){ .uri = "/", .keep = true });
    assert_answer(kept, "0||/|");
    kill(test.worker, SIGSTOP);
    assert_int_equal(waitpid(test.worker, &status, WUNTRACED), test.worker);
    fresh = client();
    send_ask(kept, (struct ask){ .uri = "/wait", .keep = true });
    kill(test.worker, SIGCONT);
    await(accepted, 2);
    test.slot->drain = 1;
    send_drain(clock_monotonic_ns() + LONG_NS, false);
    assert_int_equal(write(test.gate, "g", 1), 1);
    assert_answer(kept, "0||/wait|");
    assert_end(kept);
    assert_worker_ends();
    assert_int_equal(test.slot->accepted, 2);
    given = take_given();
    assert_int_not_equal(given, -1);
    assert_int_equal(send(given, "b", 1, MSG_NOSIGNAL), 1);
    assert_int_equal(recv(fresh, &byte, 1, 0), 1);
    assert_int_equal(byte, 'b');
    assert_int_equal(take_given(), -1);
    close(given);
    close(fresh);
}

static void test_measure(void **state)
{
    (void)state;
    struct message message = { .type = MESSAGE_MEASURE };
    int descriptors[CHANNEL_DESCRIPTORS_MAX];
    struct pollfd ready;

    start();
    assert_int_equal(channel_send(test.channel, &message, NULL, 0), 0);
    ready = (struct pollfd){ .fd = test.channel, .events = POLLIN };
    assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
    assert_int_equal(channel_receive(test.channel, &message, descriptors), 1);
    assert_int_equal(message.type, MESSAGE_MEASURED);
    assert_in_range(message.measured.rss, 100000, UINT32_MAX);
}

static void test_access_log(void **state)
{
    (void)state;
    struct message message = { .type = MESSAGE_ACCESS_LOG };
    char line[256] = "";
    int log[2];

    start();
    assert_int_equal(pipe(log), 0);
    assert_int_equal(channel_send(test.channel, &message, &log[1], 1), 0);
    close(log[1]);
    /* The message may come after the request: asked until there is a line. */
    struct pollfd ready = { .fd = log[0], .events = POLLIN };
    for (int i = 0; i < 1000 && poll(&ready, 1, 10) == 0; i++)
        ask((struct ask){ .uri = "/logged" }, "0||/logged|");
    assert_true(read(log[0], line, sizeof line - 1) > 0);
    assert_non_null(strstr(line, " /logged "));
    close(log[0]);
}

/* What is in the escrow lies there for other workers; the client knows nothing of it. */
static void test_silent_connections_outlive_the_worker(void **state)
{
    (void)state;
    int silent[20], count = 0, copy, kept;

    start();
    kept = client();
    for (int round = 0; round < 3; round++) {
        send_ask(kept, (struct ask){ .uri = "/kept", .keep = true });
        assert_answer(kept, "0||/kept|");
        for (size_t i = 0; i < 20; i++)
            silent[i] = client();
        await(connections, 21);
        /* Their copies don't keep those open that are served, and make room. */
        for (size_t i = 0; i < 20 && round < 2; i++) {
            send_ask(silent[i], (struct ask){ .uri = "/silent-once" });
            assert_answer(silent[i], "0||/silent-once|");
            assert_end(silent[i]);
        }
        if (round < 2)
            await(connections, 1);
    }
    /* It has seen to them when it has served another one. */
    send_ask(kept, (struct ask){ .uri = "/kept", .keep = true });
    assert_answer(kept, "0||/kept|");
    kill(test.worker, SIGKILL);
    assert_int_equal(waitpid(test.worker, NULL, 0), test.worker);
    test.worker = 0;
    while ((copy = escrow_withdraw(test.escrow)) != -1) {
        count += unbegun_connection(copy, &test.listener, 1);
        close(copy);
    }
    assert_int_equal(count, 16);
    for (size_t i = 0; i < 20; i++)
        close(silent[i]);
    close(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_drain),
        TEST(test_drain_with_backlog),
        TEST(test_drain_deadline),
        TEST(test_supervisor_gone),
        TEST(test_sigterm),
        TEST(test_request_limit),
        TEST(test_request_limit_announced_early),
        TEST(test_request_limit_is_reserved),
        TEST(test_request_limit_with_kept_connections),
        TEST(test_request_limit_is_lifted),
        TEST(test_serves_before_it_watches),
        TEST(test_one_that_is_told_to_go_before_it_serves_is_not_woken),
        TEST(test_a_connection_that_one_on_its_way_out_leaves_wakes_another),
        TCP_TEST(test_a_connection_that_one_on_its_way_out_leaves_wakes_another),
        TEST(test_measure),
        TEST(test_access_log),
        TEST(test_silent_connections_outlive_the_worker),
        TCP_TEST(test_silent_connections_outlive_the_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
