#include "lookout.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "handback.h"
#include "log.h"

/*
 * What a request may take until the others are seen to, up to twice as long. Where requests are not slow but once in a
 * while, those that wait meanwhile are few, and the timer is to cost nothing that could be measured.
 */
#define PATIENCE_NS (CLOCK_NS_PER_MS / 4)
#define PATIENCE_MAX_NS (4 * CLOCK_NS_PER_MS)
#define SLOW_NS (10 * CLOCK_NS_PER_MS)  /* more than the scheduler makes of a short one */
#define MEMORY_NS (60 * CLOCK_NS_PER_S) /* how long a slow one makes for less patience */
#define PAUSE_NS CLOCK_NS_PER_MS        /* while nobody takes what is there */
#define LOOK_MS 50                      /* the longest sleep within a request, should a wake-up be missed */
#define EVENTS 64
#define STACK_SIZE (64 * 1024L) /* address space: a page or two are used */
#define RETRY_NS CLOCK_NS_PER_S /* after a thread that could not be started */

/* Whose the table is. */
enum { LOOPS, FREE, THREADS, TURNS };

static struct lookout *current;

static uint64_t turn_of(const struct lookout *lookout, unsigned whose)
{
    return lookout->requests * TURNS + whose;
}

/* The thread */

static void start_timer(const struct lookout *lookout, int64_t ns)
{
    const struct itimerspec time = { .it_value.tv_nsec = (long)ns };

    timerfd_settime(lookout->timer, 0, &time, NULL);
}

static int64_t patience_of(const struct lookout *lookout)
{
    return atomic_load_explicit(&lookout->patience_ns, memory_order_relaxed);
}

/* false: there was nothing to give, or nobody who would take it. */
static bool give_ready(struct lookout *lookout, uint64_t turn)
{
    struct connection_table *table = lookout->table;
    struct epoll_event events[EVENTS];
    unsigned given = 0;

    if (!scoreboard_others_take(lookout->board, lookout->slot) ||
        !atomic_compare_exchange_strong(&lookout->turn, &turn, turn - FREE + THREADS))
        return false;
    atomic_store(&lookout->slot->handing, 1);
    int count = epoll_wait(table->epoll_fd, events, EVENTS, 0);
    for (int i = 0; i < count; i++) {
        if (*(enum event_source *)events[i].data.ptr != SOURCE_CONNECTION)
            continue;
        struct connection *connection = events[i].data.ptr;
        if (connection->wait == WAIT_LINGER || connection->wait == WAIT_NOTHING)
            continue;
        if (handback_give(lookout->queue, table, connection))
            given++;
        else if (errno != EMSGSIZE && errno != EBUSY) /* those are about this one alone */
            break;
    }
    lookout->given += given;
    atomic_store(&lookout->slot->handing, 0);
    atomic_store(&lookout->turn, turn);
    return given > 0;
}

/* Until the request is over. The table's epoll tells of each event once: what stays ready there is not ours to take. */
static void stand_in(struct lookout *lookout, uint64_t turn)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLET };
    const struct timespec pause = { .tv_nsec = PAUSE_NS };

    if (epoll_ctl(lookout->outer, EPOLL_CTL_ADD, lookout->table->epoll_fd, &event) == -1)
        return;
    while (atomic_load(&lookout->turn) == turn) {
        int count = epoll_wait(lookout->outer, &event, 1, LOOK_MS);
        bool any = false;
        while (give_ready(lookout, turn))
            any = true;
        if (!any && count > 0)
            nanosleep(&pause, NULL);
    }
    epoll_ctl(lookout->outer, EPOLL_CTL_DEL, lookout->table->epoll_fd, NULL);
}

static bool in_request(const struct lookout *lookout)
{
    return atomic_load(&lookout->turn) % TURNS == FREE;
}

/* The loop starts the timer with its next request; one that it has begun just now may have found it running. */
static void rest(struct lookout *lookout)
{
    atomic_store(&lookout->armed, false);
    if (in_request(lookout) && !atomic_exchange(&lookout->armed, true))
        start_timer(lookout, patience_of(lookout));
}

bool lookout_expects_slow(const struct lookout *lookout, int64_t now_ns)
{
    int64_t slow_ns = atomic_load_explicit(&lookout->slow_ns, memory_order_relaxed);

    return slow_ns > 0 && now_ns - slow_ns < MEMORY_NS;
}

static void set_patience(struct lookout *lookout)
{
    bool slow = lookout_expects_slow(lookout, clock_monotonic_ns());

    atomic_store_explicit(&lookout->patience_ns, slow ? PATIENCE_NS : PATIENCE_MAX_NS, memory_order_relaxed);
}

static void *look_out(void *data)
{
    struct lookout *lookout = data;
    uint64_t before = 0, expirations;

    while (read(lookout->timer, &expirations, sizeof expirations) == sizeof expirations &&
           !atomic_load(&lookout->ended)) {
        uint64_t turn = atomic_load(&lookout->turn);
        if (turn % TURNS != FREE) {
            rest(lookout);
            continue;
        }
        if (turn == before)
            stand_in(lookout, turn);
        set_patience(lookout);
        before = atomic_load(&lookout->turn);
        start_timer(lookout, patience_of(lookout));
    }
    return NULL;
}

/* The loop */

/* Less than the system's least, which depends on the processor, would be refused. */
static size_t stack_size(void)
{
    long least = sysconf(_SC_THREAD_STACK_MIN);

    return (size_t)(least > STACK_SIZE ? least : STACK_SIZE);
}

static bool start_thread(struct lookout *lookout)
{
    pthread_attr_t attributes;
    sigset_t all, before;

    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_size());
    pthread_sigmask(SIG_SETMASK, &all, &before); /* they are the loop's */
    int error = pthread_create(&lookout->thread, &attributes, look_out, lookout);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    errno = error;
    return error == 0;
}

static void close_descriptors(struct lookout *lookout)
{
    if (lookout->timer != -1)
        close(lookout->timer);
    if (lookout->outer != -1)
        close(lookout->outer);
    lookout->timer = lookout->outer = -1;
}

/* Once: the next ones are tried for as long as it takes. */
static void fail_to_start(struct lookout *lookout, int64_t now_ns)
{
    int error = errno;

    close_descriptors(lookout);
    if (lookout->retry_ns == 0) {
        errno = error;
        log_warn(
            "connections wait behind a slow request although others are free: the thread that gives them to others "
            "can't be started%s",
            error == EAGAIN ? " (rlimits.nproc, TasksMax= of the unit: a worker counts as two)" : "");
    }
    lookout->retry_ns = now_ns + RETRY_NS;
}

static bool start(struct lookout *lookout)
{
    int64_t now_ns = lookout->retry_ns > 0 ? clock_monotonic_ns() : 0;

    if (now_ns < lookout->retry_ns)
        return false;
    lookout->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    lookout->outer = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = { .events = EPOLLIN };
    if (lookout->timer != -1 && lookout->outer != -1 &&
        epoll_ctl(lookout->outer, EPOLL_CTL_ADD, lookout->timer, &event) == 0 && start_thread(lookout))
        return true;
    fail_to_start(lookout, now_ns > 0 ? now_ns : clock_monotonic_ns());
    return false;
}

static void arm(struct lookout *lookout)
{
    if ((lookout->timer != -1 || start(lookout)) && !atomic_exchange(&lookout->armed, true))
        start_timer(lookout, patience_of(lookout));
}

void lookout_begin(struct lookout *lookout)
{
    if (lookout->queue == -1 || lookout->board == NULL)
        return;
    lookout->requests++;
    atomic_store(&lookout->turn, turn_of(lookout, FREE));
    if (lookout->table->count > 1 && !atomic_load(&lookout->armed))
        arm(lookout);
}

static bool take_turn(struct lookout *lookout)
{
    uint64_t turn = atomic_load(&lookout->turn);

    while (turn % TURNS != LOOPS) {
        if (turn % TURNS == THREADS) {
            sched_yield();
            turn = atomic_load(&lookout->turn);
        } else if (atomic_compare_exchange_weak(&lookout->turn, &turn, turn - FREE + LOOPS)) {
            return true;
        }
    }
    return false;
}

void lookout_end(struct lookout *lookout, int64_t began_ns, int64_t now_ns)
{
    if (now_ns - began_ns > SLOW_NS)
        atomic_store_explicit(&lookout->slow_ns, now_ns, memory_order_relaxed);
    take_turn(lookout);
    if (lookout->given == 0)
        return;
    lookout->given = 0;
    connection_forget_given(lookout->table);
}

bool lookout_hold(void)
{
    bool is_thread = current != NULL && current->timer != -1 && pthread_equal(pthread_self(), current->thread);

    return current != NULL && !is_thread && take_turn(current);
}

void lookout_release(void)
{
    struct lookout *lookout = current;

    atomic_store(&lookout->turn, turn_of(lookout, FREE));
    /* The timer may have run out meanwhile, and the thread rests. */
    if (lookout->timer != -1 && lookout->table->count > 1 && !atomic_exchange(&lookout->armed, true))
        start_timer(lookout, patience_of(lookout));
}

/* A child that an app makes has the connections as they are, and nothing of this. */
static bool held;

static void before_fork(void)
{
    held = lookout_hold();
}

static void after_fork_in_parent(void)
{
    if (held)
        lookout_release();
}

static void after_fork_in_child(void)
{
    if (current == NULL)
        return;
    close_descriptors(current);
    current->queue = -1; /* stray_child.c has closed it */
}

void lookout_open(struct lookout *lookout, struct connection_table *table, const struct scoreboard *board,
                  struct slot *slot, int queue)
{
    *lookout = (struct lookout){
        .table = table,
        .board = board,
        .slot = slot,
        .queue = queue,
        .timer = -1,
        .outer = -1,
        .patience_ns = PATIENCE_MAX_NS,
    };
    current = lookout;
    if (queue != -1 && pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) != 0)
        fatalx("children of apps can't be looked after");
}

void lookout_close(struct lookout *lookout)
{
    current = NULL;
    if (lookout->timer == -1)
        return;
    atomic_store(&lookout->ended, true);
    start_timer(lookout, 1);
    pthread_join(lookout->thread, NULL);
    close_descriptors(lookout);
}
