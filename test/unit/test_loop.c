#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "loop.h"

#define MS CLOCK_NS_PER_MS

static struct loop *loop;
static bool stops = true; /* a peer's callback stops the loop */

/* One end of a pair, and what came of it. */
struct peer {
    struct loop_source source;
    int other;
    int calls;
    uint32_t events;
    struct peer *victim; /* removed and freed in the callback */
    int *called;         /* for one that frees itself */
};

static int set_up(void **state)
{
    (void)state;
    loop = loop_new();
    return loop != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

static void peer_ready(void *data, uint32_t events)
{
    struct peer *peer = data;
    char byte;

    peer->calls++;
    peer->events = events;
    if (events & EPOLLIN && read(peer->source.fd, &byte, 1) == -1)
        fail();
    if (peer->victim != NULL) {
        loop_remove(loop, &peer->victim->source);
        close(peer->victim->source.fd);
        close(peer->victim->other);
        free(peer->victim);
        peer->victim = NULL;
    }
    if (stops)
        loop_stop(loop);
}

static struct peer *new_peer(void)
{
    struct peer *peer = calloc(1, sizeof *peer);
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    peer->source = (struct loop_source){ .fd = ends[0], .ready = peer_ready, .data = peer };
    peer->other = ends[1];
    return peer;
}

static void free_peer(struct peer *peer)
{
    loop_remove(loop, &peer->source);
    close(peer->source.fd);
    close(peer->other);
    free(peer);
}

struct clockwork {
    struct loop_timer timer;
    int64_t due_ns;
    int calls;
    int stop_after;
    int64_t again_ns; /* set anew with this deadline in each call */
    struct clockwork *victim;
    int *order; /* where to note when its turn came */
    int *turn;
};

static void clockwork_expired(void *data)
{
    struct clockwork *clockwork = data;

    assert_true(clock_monotonic_ns() >= clockwork->due_ns);
    assert_false(loop_timer_is_set(&clockwork->timer));
    clockwork->calls++;
    if (clockwork->order != NULL)
        *clockwork->order = ++*clockwork->turn;
    if (clockwork->again_ns != 0)
        loop_timer_set(loop, &clockwork->timer, clockwork->again_ns);
    if (clockwork->victim != NULL)
        loop_timer_clear(loop, &clockwork->victim->timer);
    if (clockwork->calls == clockwork->stop_after)
        loop_stop(loop);
}

static void wind(struct clockwork *clockwork, int64_t deadline_ns)
{
    clockwork->timer.expired = clockwork_expired;
    clockwork->timer.data = clockwork;
    clockwork->due_ns = deadline_ns;
    loop_timer_set(loop, &clockwork->timer, deadline_ns);
}

static void a_ready_source_is_called(void **state)
{
    struct peer *peer = new_peer();

    (void)state;
    assert_int_equal(loop_add(loop, &peer->source, EPOLLIN), 0);
    assert_int_equal(write(peer->other, "ab", 2), 2);
    loop_run(loop);
    assert_int_equal(peer->calls, 1);
    assert_int_equal(peer->events, EPOLLIN);
    loop_run(loop); /* level-triggered: the second byte is still there */
    assert_int_equal(peer->calls, 2);

    assert_int_equal(loop_modify(loop, &peer->source, EPOLLOUT), 0);
    loop_run(loop);
    assert_int_equal(peer->events, EPOLLOUT);
    assert_int_equal(loop_modify(loop, &peer->source, 0), 0);
    shutdown(peer->other, SHUT_RDWR);
    loop_run(loop);
    assert_true(peer->events & EPOLLHUP);
    free_peer(peer);
}

static void misuse_is_refused(void **state)
{
    struct peer *peer = new_peer();
    char path[] = "/tmp/loop-XXXXXX";
    int file = mkstemp(path);
    struct loop_source regular = { .fd = file, .ready = peer_ready };

    (void)state;
    unlink(path);
    assert_int_equal(loop_add(loop, &regular, EPOLLIN), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(loop_modify(loop, &peer->source, EPOLLIN), -1);
    assert_int_equal(errno, ENOENT);
    loop_remove(loop, &peer->source);
    assert_int_equal(loop_add(loop, &peer->source, EPOLLIN), 0);
    assert_int_equal(loop_add(loop, &peer->source, EPOLLIN), -1);
    assert_int_equal(errno, EEXIST);
    loop_remove(loop, &peer->source);
    loop_remove(loop, &peer->source);
    assert_int_equal(loop_add(loop, &peer->source, EPOLLIN), 0);
    free_peer(peer);
    close(file);
}

static struct peer *survivor;

static void eliminate(void *data, uint32_t events)
{
    survivor = data;
    peer_ready(data, events);
}

/* Both have an event in the same batch; the one that comes first removes and frees the other. */
static void a_removed_source_is_not_called(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        struct peer *a = new_peer(), *b = new_peer();
        struct clockwork end = { .stop_after = 1 };

        a->source.ready = b->source.ready = eliminate;
        a->victim = b;
        b->victim = a;
        assert_int_equal(loop_add(loop, round ? &a->source : &b->source, EPOLLIN), 0);
        assert_int_equal(loop_add(loop, round ? &b->source : &a->source, EPOLLIN), 0);
        assert_int_equal(write(a->other, "x", 1) + write(b->other, "x", 1), 2);
        wind(&end, clock_monotonic_ns() + 2 * MS);
        stops = false;
        loop_run(loop);
        stops = true;
        assert_int_equal(survivor->calls, 1);
        free_peer(survivor);
    }
}

/* The callback frees everything, with bytes left to read. */
static void vanish(void *data, uint32_t events)
{
    struct peer *peer = data;

    assert_int_equal(events, EPOLLIN);
    (*peer->called)++;
    free_peer(peer);
}

static void a_source_can_remove_and_free_itself(void **state)
{
    struct peer *peer = new_peer();
    struct clockwork end = { .stop_after = 1 };
    int calls = 0;

    (void)state;
    peer->source.ready = vanish;
    peer->called = &calls;
    assert_int_equal(loop_add(loop, &peer->source, EPOLLIN), 0);
    assert_int_equal(write(peer->other, "xy", 2), 2);
    wind(&end, clock_monotonic_ns() + 2 * MS);
    loop_run(loop);
    assert_int_equal(calls, 1);
}

/* Hundreds of sources, more than a batch holds: each is called for its own byte. */
static void many_sources_get_their_turn(void **state)
{
    enum { COUNT = 200 };
    struct peer *peers[COUNT];
    int calls = 0;

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        peers[i] = new_peer();
        assert_int_equal(loop_add(loop, &peers[i]->source, EPOLLIN), 0);
        assert_int_equal(write(peers[i]->other, "x", 1), 1);
    }
    for (int i = 0; i < COUNT; i++)
        loop_run(loop); /* stops after each */
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(peers[i]->calls, 1);
        calls += peers[i]->calls;
        free_peer(peers[i]);
    }
    assert_int_equal(calls, COUNT);
}

static void timers_come_in_order(void **state)
{
    enum { COUNT = 300 };
    static struct clockwork timers[COUNT];
    static int order[COUNT];
    int turn = 0;
    unsigned random = 7;
    int64_t start_ns = clock_monotonic_ns() + 5 * MS;

    (void)state;
    memset(timers, 0, sizeof timers);
    for (int i = 0; i < COUNT; i++) {
        random = random * 1103515245u + 12345u;
        timers[i] = (struct clockwork){ .order = &order[i], .turn = &turn };
        wind(&timers[i], start_ns + (random >> 16) % 50 * MS / 5);
    }
    /* Some are moved, some cleared. */
    for (int i = 0; i < COUNT; i += 3)
        wind(&timers[i], start_ns + (int64_t)(COUNT - i) * MS / 30);
    for (int i = 1; i < COUNT; i += 3)
        loop_timer_clear(loop, &timers[i].timer);
    struct clockwork last = { .stop_after = 1 };
    wind(&last, start_ns + 20 * MS);
    loop_run(loop);

    for (int i = 0; i < COUNT; i++)
        assert_int_equal(timers[i].calls, i % 3 == 1 ? 0 : 1);
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < COUNT; j++)
            if (i % 3 != 1 && j % 3 != 1 && timers[i].due_ns < timers[j].due_ns)
                assert_true(order[i] < order[j]);
    assert_int_equal(turn, COUNT - COUNT / 3);
}

static void a_timer_can_be_set_anew_and_cleared(void **state)
{
    struct clockwork timer = { .again_ns = 1, .stop_after = 3 };

    (void)state;
    assert_false(loop_timer_is_set(&timer.timer));
    loop_timer_clear(loop, &timer.timer);
    wind(&timer, clock_monotonic_ns());
    assert_true(loop_timer_is_set(&timer.timer));
    loop_run(loop);
    assert_int_equal(timer.calls, 3);
    assert_true(loop_timer_is_set(&timer.timer));
    loop_timer_set(loop, &timer.timer, 0);
    assert_false(loop_timer_is_set(&timer.timer));

    /* Two due at once, the first clears the second. */
    int64_t now_ns = clock_monotonic_ns();
    struct clockwork second = { 0 }, first = { .victim = &second }, end = { .stop_after = 1 };
    wind(&first, now_ns - 2 * MS);
    wind(&second, now_ns - MS);
    wind(&end, now_ns + MS);
    loop_run(loop);
    assert_int_equal(first.calls, 1);
    assert_int_equal(second.calls, 0);
}

/* A timer that is always due does not keep the others, nor the sources, from their turn. */
static void a_late_timer_starves_nobody(void **state)
{
    struct clockwork eager = { .again_ns = 1 }, patient = { .stop_after = 1 };
    struct peer *peer = new_peer();

    (void)state;
    wind(&eager, 1);
    wind(&patient, clock_monotonic_ns() + 2 * MS);
    loop_run(loop);
    assert_int_equal(patient.calls, 1);
    assert_true(eager.calls > 0);

    assert_int_equal(loop_add(loop, &peer->source, EPOLLIN), 0);
    assert_int_equal(write(peer->other, "x", 1), 1);
    loop_run(loop); /* the peer stops it */
    assert_int_equal(peer->calls, 1);
    loop_timer_clear(loop, &eager.timer);
    free_peer(peer);
}

static void a_timer_is_not_early_and_hardly_late(void **state)
{
    struct clockwork timer = { .stop_after = 1 };
    int64_t start_ns = clock_monotonic_ns();

    (void)state;
    wind(&timer, start_ns + 20 * MS + 1);
    loop_run(loop);
    assert_in_range(clock_monotonic_ns() - start_ns, 20 * MS + 1, 20000 * MS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

struct slumber {
    struct loop_timer alarm, deadline;
    struct peer *peer;
    int calls_at_deadline;
    int64_t asleep_ns, awake_ns, expired_ns;
};

/* Stands still for longer than the other timer has, while that one's event comes in. */
static void sleep_over_the_deadline(void *data)
{
    struct slumber *slumber = data;
    const struct timespec long_time = { .tv_sec = 1, .tv_nsec = 400 * MS };

    assert_int_equal(write(slumber->peer->other, "x", 1), 1);
    slumber->asleep_ns = clock_monotonic_ns();
    nanosleep(&long_time, NULL);
    slumber->awake_ns = clock_monotonic_ns();
}

static void note_deadline(void *data)
{
    struct slumber *slumber = data;

    slumber->calls_at_deadline = slumber->peer->calls;
    slumber->expired_ns = clock_monotonic_ns();
    loop_stop(loop);
}

/* The time in which nobody looked is nobody's fault. */
static void a_deadline_does_not_count_a_standstill(void **state)
{
    (void)state;
    struct slumber slumber = { .peer = new_peer(),
                               .alarm = { .expired = sleep_over_the_deadline, .data = &slumber },
                               .deadline = { .expired = note_deadline, .data = &slumber } };
    int64_t start_ns = clock_monotonic_ns(), deadline_ns = start_ns + 600 * MS;

    stops = false;
    assert_int_equal(loop_add(loop, &slumber.peer->source, EPOLLIN), 0);
    loop_timer_set(loop, &slumber.alarm, start_ns + 10 * MS);
    loop_timer_set(loop, &slumber.deadline, deadline_ns);
    loop_run(loop);
    assert_int_equal(slumber.calls_at_deadline, 1);
    assert_true(slumber.expired_ns - slumber.awake_ns >= deadline_ns - slumber.asleep_ns);
    free_peer(slumber.peer);
    stops = true;
}

struct long_turn {
    struct loop_source source;
    struct loop_timer deadline;
    struct peer *peer;
    int calls_at_deadline;
};

/* The deadline passes in here; what the peer sends in time has to wait for a turn. */
static void take_long(void *data, uint32_t events)
{
    struct long_turn *turn = data;
    const struct timespec time = { .tv_nsec = 40 * MS };
    char byte;

    assert_int_equal(events, EPOLLIN);
    assert_int_equal(read(turn->source.fd, &byte, 1), 1);
    assert_int_equal(write(turn->peer->other, "x", 1), 1);
    loop_timer_set(loop, &turn->deadline, clock_monotonic_ns() + 20 * MS);
    nanosleep(&time, NULL);
}

static void look_at_peer(void *data)
{
    struct long_turn *turn = data;

    turn->calls_at_deadline = turn->peer->calls;
    loop_stop(loop);
}

static void what_came_in_a_long_turn_comes_before_a_deadline(void **state)
{
    struct peer *first = new_peer();
    struct long_turn turn = { .source = { .fd = first->source.fd, .ready = take_long, .data = &turn },
                              .deadline = { .expired = look_at_peer, .data = &turn },
                              .peer = new_peer() };

    (void)state;
    stops = false;
    assert_int_equal(loop_add(loop, &turn.source, EPOLLIN), 0);
    assert_int_equal(loop_add(loop, &turn.peer->source, EPOLLIN), 0);
    assert_int_equal(write(first->other, "x", 1), 1);
    loop_run(loop);
    assert_int_equal(turn.calls_at_deadline, 1);
    loop_remove(loop, &turn.source);
    free_peer(first);
    free_peer(turn.peer);
    stops = true;
}

static void more_than_a_batch_comes_before_a_deadline(void **state)
{
    enum { COUNT = 200 };
    struct peer *peers[COUNT];
    struct clockwork end = { .stop_after = 1 };
    int calls = 0;

    (void)state;
    stops = false;
    for (int i = 0; i < COUNT; i++) {
        peers[i] = new_peer();
        assert_int_equal(loop_add(loop, &peers[i]->source, EPOLLIN), 0);
        assert_int_equal(write(peers[i]->other, "xyz", 3), 3);
    }
    wind(&end, clock_monotonic_ns());
    loop_run(loop);
    for (int i = 0; i < COUNT; i++) {
        calls += peers[i]->calls > 0;
        free_peer(peers[i]);
    }
    assert_int_equal(calls, COUNT);
    stops = true;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_ready_source_is_called),
        TEST(misuse_is_refused),
        TEST(a_removed_source_is_not_called),
        TEST(a_source_can_remove_and_free_itself),
        TEST(many_sources_get_their_turn),
        TEST(timers_come_in_order),
        TEST(a_timer_can_be_set_anew_and_cleared),
        TEST(a_late_timer_starves_nobody),
        TEST(a_timer_is_not_early_and_hardly_late),
        TEST(a_deadline_does_not_count_a_standstill),
        TEST(what_came_in_a_long_turn_comes_before_a_deadline),
        TEST(more_than_a_batch_comes_before_a_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
