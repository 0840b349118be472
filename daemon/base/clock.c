#include "clock.h"

#include <limits.h>
#include <stdio.h>
#include <time.h>

int64_t clock_monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * CLOCK_NS_PER_S + now.tv_nsec;
}

int clock_poll_timeout_ms(int64_t deadline_ns, int64_t now_ns)
{
    if (deadline_ns == 0)
        return -1;
    if (deadline_ns <= now_ns)
        return 0;

    uint64_t left_ns = (uint64_t)deadline_ns - (uint64_t)now_ns;
    uint64_t left_ms = (left_ns - 1) / (uint64_t)CLOCK_NS_PER_MS + 1;

    return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

char *clock_iso8601(char buffer[CLOCK_ISO8601_SIZE])
{
    struct timespec now;
    struct tm parts;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    /* The remainders change nothing in a valid date; they bound the fields for the compiler's truncation warning. */
    snprintf(buffer, CLOCK_ISO8601_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
             (unsigned)(parts.tm_year + 1900) % 10000, (unsigned)(parts.tm_mon + 1) % 100,
             (unsigned)parts.tm_mday % 100, (unsigned)parts.tm_hour % 100, (unsigned)parts.tm_min % 100,
             (unsigned)parts.tm_sec % 100, (unsigned)(now.tv_nsec / CLOCK_NS_PER_MS) % 1000);
    return buffer;
}
