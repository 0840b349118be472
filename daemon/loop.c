#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "xalloc.h"

#define BATCH_SIZE 64

struct loop {
    int epoll_fd;
    bool stopped;
    size_t sources;

    /* The batch being dispatched: removing a source empties its entry. */
    struct epoll_event batch[BATCH_SIZE];
    int batch_next;
    int batch_count;

    /* A binary heap from index 1, the earliest first; a timer knows its position (0: not in it). */
    int64_t awake_ns;   /* when it last looked at the clock */
    int64_t fetched_ns; /* what was ready before is dispatched before the timers of this turn */
    struct loop_timer **heap;
    size_t timers;
    size_t capacity;
    uint64_t sequence;
};

struct loop *loop_new(void)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);

    if (fd == -1)
        return NULL;

    struct loop *loop = xcalloc(1, sizeof *loop);
    loop->epoll_fd = fd;
    return loop;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    close(loop->epoll_fd);
    free(loop->heap);
    free(loop);
}

static int control(struct loop *loop, int operation, struct loop_source *source, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = source };

    return epoll_ctl(loop->epoll_fd, operation, source->fd, &event);
}

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events)
{
    if (source->added) {
        errno = EEXIST;
        return -1;
    }
    if (control(loop, EPOLL_CTL_ADD, source, events) == -1)
        return -1;
    source->added = true;
    loop->sources++;
    return 0;
}

int loop_modify(struct loop *loop, struct loop_source *source, uint32_t events)
{
    if (!source->added) {
        errno = ENOENT;
        return -1;
    }
    return control(loop, EPOLL_CTL_MOD, source, events);
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
    if (!source->added)
        return;
    source->added = false;
    loop->sources--;
    if (control(loop, EPOLL_CTL_DEL, source, 0) == -1)
        log_warn("descriptor %d was closed while the loop watched it", source->fd);
    for (int i = loop->batch_next; i < loop->batch_count; i++)
        if (loop->batch[i].data.ptr == source)
            loop->batch[i].data.ptr = NULL;
}

static bool earlier(const struct loop_timer *a, const struct loop_timer *b)
{
    return a->deadline_ns < b->deadline_ns || (a->deadline_ns == b->deadline_ns && a->sequence < b->sequence);
}

static void place(struct loop *loop, struct loop_timer *timer, size_t position)
{
    loop->heap[position] = timer;
    timer->position = position;
}

/* Lets `timer`, for which `position` is free, rise or sink to where it belongs. */
static void settle(struct loop *loop, struct loop_timer *timer, size_t position)
{
    while (position > 1 && earlier(timer, loop->heap[position / 2])) {
        place(loop, loop->heap[position / 2], position);
        position /= 2;
    }
    for (;;) {
        size_t child = position * 2;

        if (child > loop->timers)
            break;
        if (child < loop->timers && earlier(loop->heap[child + 1], loop->heap[child]))
            child++;
        if (!earlier(loop->heap[child], timer))
            break;
        place(loop, loop->heap[child], position);
        position = child;
    }
    place(loop, timer, position);
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
    size_t position = timer->position;

    if (position == 0)
        return;

    struct loop_timer *last = loop->heap[loop->timers--];

    timer->position = 0;
    timer->deadline_ns = 0;
    if (last != timer)
        settle(loop, last, position);
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t deadline_ns)
{
    loop_timer_clear(loop, timer);
    if (deadline_ns == 0)
        return;

    /* A deadline in the past counts from now, so that a timer that is always late can't go before all others. */
    int64_t now_ns = clock_monotonic_ns();

    timer->deadline_ns = deadline_ns > now_ns ? deadline_ns : now_ns;
    timer->sequence = ++loop->sequence;
    if (loop->timers + 2 > loop->capacity) {
        loop->capacity = loop->capacity > 0 ? loop->capacity * 2 : 16;
        loop->heap = xreallocarray(loop->heap, loop->capacity, sizeof *loop->heap);
    }
    settle(loop, timer, ++loop->timers);
}

bool loop_timer_is_set(const struct loop_timer *timer)
{
    return timer->position != 0;
}

/*
 * A process that was stopped, or got no processor, wakes up long after its next timer. What others have done in time is
 * still to be read then: no deadline counts the time in which this process stood still. (When within the turn that
 * began can't be known: the whole of it.)
 */
static void forget_standstill(struct loop *loop, int64_t now_ns)
{
    int64_t expected_ns = loop->timers > 0 ? loop->heap[1]->deadline_ns : now_ns;

    if (expected_ns < loop->awake_ns)
        expected_ns = loop->awake_ns;
    if (loop->awake_ns > 0 && now_ns - expected_ns > LOOP_STANDSTILL_NS)
        for (size_t i = 1; i <= loop->timers; i++)
            loop->heap[i]->deadline_ns += now_ns - loop->awake_ns;
    loop->awake_ns = now_ns;
}

static void fetch(struct loop *loop, int timeout_ms)
{
    int count = epoll_wait(loop->epoll_fd, loop->batch, BATCH_SIZE, timeout_ms);
    int error = errno;

    forget_standstill(loop, clock_monotonic_ns());
    errno = error;
    if (count == -1 && errno != EINTR)
        fatal("epoll_wait");
    loop->batch_next = 0;
    loop->batch_count = count > 0 ? count : 0;
}

static int64_t next_deadline(const struct loop *loop)
{
    return loop->timers > 0 ? loop->heap[1]->deadline_ns : 0;
}

static void dispatch_sources(struct loop *loop)
{
    while (loop->batch_next < loop->batch_count && !loop->stopped) {
        struct epoll_event event = loop->batch[loop->batch_next++];
        const struct loop_source *source = event.data.ptr;

        if (source != NULL)
            source->ready(source->data, event.events);
    }
    /* Level-triggered: what a stop left over is fetched again. */
    loop->batch_next = loop->batch_count = 0;
}

/* All that are ready: a batch may not hold them. (None is asked twice before all others were.) */
static void take_sources(struct loop *loop)
{
    loop->fetched_ns = clock_monotonic_ns();
    fetch(loop, clock_poll_timeout_ms(next_deadline(loop), loop->fetched_ns));
    for (size_t more = loop->sources / BATCH_SIZE; !loop->stopped; more--) {
        bool full = loop->batch_count == BATCH_SIZE;
        dispatch_sources(loop);
        if (!full || more == 0 || loop->stopped)
            return;
        fetch(loop, 0);
    }
}

/*
 * Those that were due before the sources were looked at: what has come in time is known to them, however long the turn
 * took. One that another timer sets waits for the next turn, be its time over already.
 */
static void dispatch_timers(struct loop *loop)
{
    uint64_t newest = loop->sequence;

    forget_standstill(loop, clock_monotonic_ns());
    while (loop->timers > 0 && !loop->stopped) {
        struct loop_timer *timer = loop->heap[1];

        if (timer->deadline_ns > loop->fetched_ns || timer->sequence > newest)
            break;
        loop_timer_clear(loop, timer);
        timer->expired(timer->data);
    }
}

void loop_run(struct loop *loop)
{
    loop->stopped = false;
    loop->awake_ns = clock_monotonic_ns();
    while (!loop->stopped) {
        take_sources(loop);
        dispatch_timers(loop);
    }
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}
