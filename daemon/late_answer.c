#include "late_answer.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "emergency_answer.h"

/* It mostly stands still within microseconds: the first looks are worth waiting for. */
#define STOP_LOOKS 3
#define STOP_PAUSE_NS 200000

enum stop { STOPPED, STOPPING, STOP_FAILED };

/* A process stops when it has its turn on a processor; one that hangs in the kernel does not. */
static enum stop stop(pid_t pid)
{
    const struct timespec pause = { .tv_nsec = STOP_PAUSE_NS };

    if (kill(pid, SIGSTOP) == -1)
        return STOP_FAILED;
    for (int look = 0; look < STOP_LOOKS; look++) {
        siginfo_t state = { 0 };
        if (look > 0)
            nanosleep(&pause, NULL);
        if (waitid(P_PID, (id_t)pid, &state, WSTOPPED | WNOHANG | WNOWAIT) == -1)
            return STOP_FAILED;
        if (state.si_pid == pid)
            return STOPPED;
    }
    return STOPPING;
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
enum late_answer late_answer(pid_t pid, const struct slot *slot, uint64_t sequence, int status, bool last_try,
                             const char **why, void (*before_kill)(void *data), void *data)
{
    enum stop standing = stop(pid);
    bool stopped = standing == STOPPED;
    int connection = -1;

    if (standing == STOPPING && !last_try)
        return LATE_ANSWER_ASK_AGAIN;
    if (stopped && is_over(slot, sequence)) {
        kill(pid, SIGCONT);
        return LATE_ANSWER_OVER;
    }
    /* What it is giving away would be rescued, too, and have two owners. */
    bool handing = stopped && atomic_load(&slot->handing) != 0;
    if (handing && !last_try) {
        kill(pid, SIGCONT);
        return LATE_ANSWER_ASK_AGAIN;
    }
    *why = "its worker can't be stopped";
    if (stopped)
        connection = take_connection(pid, slot, why);
    if (stopped && !handing)
        before_kill(data);
    kill(pid, SIGKILL);
    return connection != -1 && answer(connection, slot, status, why) ? LATE_ANSWER_GIVEN : LATE_ANSWER_NONE;
}
