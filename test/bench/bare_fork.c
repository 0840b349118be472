/*
 * Preloaded into cowherd-mold (LD_PRELOAD) for `make bench-memory`: on SIGRTMIN it forks a child that leaves at once,
 * waits for it, and writes how many nanoseconds that took to the pipe or file that BARE_FORK_RESULTS names. So a bare
 * fork of the very image that workers are forked from is timed, while the mold has nothing else to do.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int results = -1;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Interrupts nothing but the mold's poll(2). */
static void measure(int signal_number)
{
    int saved_errno = errno, status;
    int64_t began_ns = now_ns();
    pid_t pid = fork();

    (void)signal_number;
    if (pid == 0)
        _exit(0);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;

    char line[24] = "failed\n";
    size_t start = 0;
    if (pid > 0) {
        start = sizeof line;
        line[--start] = '\n';
        for (int64_t took_ns = now_ns() - began_ns; took_ns > 0; took_ns /= 10)
            line[--start] = (char)('0' + took_ns % 10);
    }
    size_t length = pid > 0 ? sizeof line - start : strlen(line);
    if (write(results, line + start, length) != (ssize_t)length)
        abort();
    errno = saved_errno;
}

__attribute__((constructor)) static void install(void)
{
    const char *path = getenv("BARE_FORK_RESULTS");
    const char *program = program_invocation_short_name;

    if (path == NULL || strcmp(program, "cowherd-mold") != 0)
        return;
    results = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (results < 0)
        return;
    signal(SIGRTMIN, measure);
}
