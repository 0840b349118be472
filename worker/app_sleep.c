/*
 * Kernel#sleep, as mruby-sleep has it, ends at any signal that has a handler. Of those that a worker gets only a
 * time-out is meant for the app (and at load anything, load_guard.h): the linker puts this in front of usleep(3) in
 * cowherd-mold (--wrap).
 */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "time_out.h"

int __wrap_usleep(useconds_t microseconds);

int __wrap_usleep(useconds_t microseconds)
{
    int64_t end_ns = clock_monotonic_ns() + (int64_t)microseconds * 1000;
    struct timespec end = { .tv_sec = end_ns / CLOCK_NS_PER_S, .tv_nsec = end_ns % CLOCK_NS_PER_S };
    int error;

    do
        error = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL);
    while (error == EINTR && time_out_interpreter() != NULL && !time_out_is_due());
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}
