#include "orphaned.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "emergency_answer.h"
#include "log.h"
#include "time_out.h"

/* Between two exceptions, for code that swallows them. */
#define PAUSE_NS (500 * CLOCK_NS_PER_MS)

static struct {
    int channel;
    const int *listeners;
    size_t listener_count;
    struct scoreboard *board;
    struct slot *slot;
    int64_t request_ns, hard_ns;
    timer_t timer;
    bool timed;
} self;

static volatile sig_atomic_t epoll = -1;

/* The end of the intermediate process that forked this one is told of, too. */
static bool is_orphaned(void)
{
    struct pollfd channel = { .fd = self.channel };

    return poll(&channel, 1, 0) == 1 && (channel.revents & (POLLHUP | POLLERR)) != 0;
}

static void let_go_of_listeners(void)
{
    for (size_t i = 0; i < self.listener_count; i++) {
        if (epoll != -1)
            epoll_ctl(epoll, EPOLL_CTL_DEL, self.listeners[i], NULL);
        dup3(STDIN_FILENO, self.listeners[i], O_CLOEXEC);
    }
    self.listener_count = 0;
}

static void give_up(void)
{
    uint8_t records[EMERGENCY_ANSWER_SIZE];
    int fd = atomic_load(&self.slot->request_fd);

    if (fd >= 0 && atomic_load(&self.slot->request_bytes_out) == 0) {
        size_t length = emergency_answer(records, (uint16_t)atomic_load(&self.slot->request_id), 504, 0);
        emergency_answer_send(fd, records, length);
    }
    _exit(1);
}

void orphaned_set_epoll(int epoll_fd)
{
    epoll = epoll_fd;
}

static int64_t until(int64_t limit_ns, int64_t age_ns, int64_t other_ns)
{
    int64_t left_ns = limit_ns - age_ns;

    return limit_ns > 0 && left_ns > 0 && left_ns < other_ns ? left_ns : other_ns;
}

/* What the supervisor does for all (daemon/overdue.h). When it has to be looked at again. */
static int64_t look(void)
{
    uint64_t sequence = atomic_load(&self.slot->request_sequence);
    int64_t started_ns = atomic_load(&self.slot->request_started_ns);
    int64_t age_ns = started_ns > 0 ? clock_monotonic_ns() - started_ns : 0;

    if (self.hard_ns > 0 && age_ns >= self.hard_ns)
        give_up();
    if (self.request_ns == 0 || age_ns < self.request_ns)
        return until(self.request_ns, age_ns, until(self.hard_ns, age_ns, INT64_MAX));
    atomic_store(&self.slot->overdue_sequence, sequence);
    raise(TIME_OUT_SIGNAL);
    return until(self.hard_ns, age_ns, PAUSE_NS);
}

/* The supervisor's end, and the timer's. */
static void on_signal(int number)
{
    int error = errno;

    (void)number;
    if (is_orphaned()) {
        if (self.board != NULL)
            atomic_store(&self.board->last, 1); /* nobody makes another generation */
        let_go_of_listeners();
        int64_t pause_ns = self.timed ? look() : 0;
        struct itimerspec next = { .it_value = { .tv_sec = pause_ns / CLOCK_NS_PER_S,
                                                 .tv_nsec = pause_ns % CLOCK_NS_PER_S } };
        if (self.timed)
            timer_settime(self.timer, 0, &next, NULL);
    }
    errno = error;
}

void orphaned_prepare(int channel, const int *listeners, size_t count, struct scoreboard *board, struct slot *slot,
                      const struct config_pool *pool)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };

    self.channel = channel;
    self.listeners = listeners;
    self.listener_count = count;
    self.board = board;
    self.slot = slot;
    self.request_ns = pool->timeouts.request_ns;
    self.hard_ns = pool->timeouts.hard_ns;
    self.timed = (self.request_ns > 0 || self.hard_ns > 0) && timer_create(CLOCK_MONOTONIC, &event, &self.timer) == 0;
    sigaction(SIGUSR2, &action, NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGUSR2) < 0)
        log_warn("the end of the supervisor will go unnoticed during a request");
}
