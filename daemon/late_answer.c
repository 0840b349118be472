#include "late_answer.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "emergency_answer.h"

/* A process stops at once, or it hangs in the kernel, where nothing of it runs either. */
#define STOP_LOOKS 20
#define STOP_PAUSE_NS 1000000

static bool stop(pid_t pid)
{
    const struct timespec pause = { .tv_nsec = STOP_PAUSE_NS };

    if (kill(pid, SIGSTOP) == -1)
        return false;
    for (int look = 0; look < STOP_LOOKS; look++) {
        siginfo_t state = { 0 };
        if (waitid(P_PID, (id_t)pid, &state, WSTOPPED | WNOHANG) == -1)
            return false;
        if (state.si_pid == pid)
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

static int copy_descriptor(pid_t pid, int fd)
{
    int process = (int)syscall(SYS_pidfd_open, pid, 0);

    if (process == -1)
        return -1;
    int copy = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
    close(process);
    return copy;
}

static bool is_over(const struct slot *slot, uint64_t sequence)
{
    return atomic_load(&slot->request_sequence) != sequence || atomic_load(&slot->request_started_ns) == 0;
}

/* The connection of the request, or -1. */
static int take_connection(pid_t pid, const struct slot *slot, const char **why)
{
    int fd = atomic_load(&slot->request_fd);

    if (fd < 0 || atomic_load(&slot->request_bytes_out) > 0) {
        *why = "its answer had begun";
        return -1;
    }
    int copy = copy_descriptor(pid, fd);
    if (copy == -1)
        *why = "its connection can't be had (that takes CAP_SYS_PTRACE)";
    return copy;
}

static bool answer(int connection, const struct slot *slot, int status, const char **why)
{
    uint8_t records[EMERGENCY_ANSWER_SIZE];
    size_t length = emergency_answer(records, (uint16_t)atomic_load(&slot->request_id), status, 0);
    bool sent = emergency_answer_send(connection, records, length) == 0;

    if (!sent)
        *why = "its client takes nothing";
    close(connection);
    return sent;
}

/* While the worker stands still, what its slot says stays true. */
enum late_answer late_answer(pid_t pid, const struct slot *slot, uint64_t sequence, int status, const char **why,
                             void (*before_kill)(void *data), void *data)
{
    bool stopped = stop(pid);
    int connection = -1;

    if (stopped && is_over(slot, sequence)) {
        kill(pid, SIGCONT);
        return LATE_ANSWER_OVER;
    }
    *why = "its worker can't be stopped";
    if (stopped) {
        connection = take_connection(pid, slot, why);
        before_kill(data);
    }
    kill(pid, SIGKILL);
    return connection != -1 && answer(connection, slot, status, why) ? LATE_ANSWER_GIVEN : LATE_ANSWER_NONE;
}
