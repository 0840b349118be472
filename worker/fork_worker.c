#include "fork_worker.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

/* Written by the intermediate, which shares this memory with the mold until it exits. */
static volatile pid_t forked;
static volatile int fork_error;

pid_t fork_worker(void)
{
    forked = -1;
    fork_error = 0;
    pid_t intermediate = vfork();
    if (intermediate < 0)
        return -1;
    if (intermediate == 0) {
        pid_t pid = fork();
        if (pid == 0)
            return 0; /* the worker, on its own copy of the stack */
        forked = pid;
        if (pid < 0)
            fork_error = errno;
        _exit(0);
    }
    int status;
    while (waitpid(intermediate, &status, 0) < 0 && errno == EINTR)
        continue;
    if (forked < 0)
        errno = fork_error ? fork_error : ECHILD;
    return forked;
}
