/*
 * The supervisor's event loop: descriptors (epoll, level-triggered) and timers, one thread. Sources and timers are
 * embedded in the structs that own them; the loop allocates nothing for them and never frees or closes what is theirs.
 *
 * A callback may add, modify and remove any source and set and clear any timer, its own included, and may free the
 * struct that holds them once they are removed and cleared: nothing that was removed is called again, not even when its
 * event was already fetched.
 */
#ifndef COWHERD_LOOP_H
#define COWHERD_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

/*
 * Timers count the time in which the loop gets its turns: when it comes back later than this (the process was stopped,
 * the machine stood still), all that are set move on by as long as it was away, so that descriptors are read before a
 * deadline is found to be over.
 */
#define LOOP_STANDSTILL_NS (500 * INT64_C(1000000))

struct loop;

struct loop_source {
    int fd;                                     /* the owner's; remove the source before closing it */
    void (*ready)(void *data, uint32_t events); /* EPOLLIN, ...; EPOLLHUP and EPOLLERR come unasked */
    void *data;
    /* The loop's own; zero when not added. */
    bool added;
};

struct loop_timer {
    void (*expired)(void *data);
    void *data;
    /* The loop's own; zero when not set. */
    int64_t deadline_ns;
    uint64_t sequence;
    size_t position;
};

/* NULL with errno. loop_free(NULL) is fine; nothing that was added or set may be touched through the loop after it. */
struct loop *loop_new(void);
void loop_free(struct loop *loop);

/*
 * Watches source->fd for `events` (0: only EPOLLHUP and EPOLLERR). The source must stay where it is until it is
 * removed; one descriptor can have one source. 0, or -1 with errno (EPERM: a regular file; EEXIST: already added).
 */
int loop_add(struct loop *loop, struct loop_source *source, uint32_t events);
/* Changes what an added source waits for. 0, or -1 with errno (ENOENT: not added). */
int loop_modify(struct loop *loop, struct loop_source *source, uint32_t events);
/* A source that is not added: nothing. */
void loop_remove(struct loop *loop, struct loop_source *source);

/*
 * Calls timer->expired once, not before `deadline_ns` (CLOCK_MONOTONIC; 0 clears) and at most about 1 ms after, when
 * the loop is not busy. Setting a set timer moves it. A deadline in the past comes at the loop's next turn, after the
 * timers that were due before. In the callback the timer is no longer set.
 */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t deadline_ns);
/* A timer that is not set: nothing. */
void loop_timer_clear(struct loop *loop, struct loop_timer *timer);
bool loop_timer_is_set(const struct loop_timer *timer);

/*
 * Runs until loop_stop. A timer is called when all that was ready at its deadline was called before it. Can be called
 * again.
 */
void loop_run(struct loop *loop);
/* Makes loop_run return after the callback in hand; what is left undispatched comes in the next loop_run. */
void loop_stop(struct loop *loop);

#endif
