#include "fork_worker.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Written by the intermediate. It shares this memory with the mold until it exits, but for systems (and valgrind) where
 * vfork is a fork: so it is mapped as shared.
 */
struct outcome {
    pid_t pid;
    int error;
};

static volatile struct outcome *outcome;

static bool map_outcome(void)
{
    void *page = mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    outcome = page != MAP_FAILED ? page : NULL;
    return outcome != NULL;
}

pid_t fork_worker(void)
{
    if (outcome == NULL && !map_outcome())
        return -1;
    outcome->pid = -1;
    outcome->error = 0;
    pid_t intermediate = vfork();
    if (intermediate < 0)
        return -1;
    if (intermediate == 0) {
        pid_t pid = fork();
        if (pid == 0)
            return 0; /* the worker, on its own copy of the stack */
        outcome->pid = pid;
        if (pid < 0)
            outcome->error = errno;
        _exit(0);
    }
    int status;
    while (waitpid(intermediate, &status, 0) < 0 && errno == EINTR)
        continue;
    if (outcome->pid < 0)
        errno = outcome->error ? outcome->error : ECHILD;
    return outcome->pid;
}
