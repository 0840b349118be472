/*
 * Time. Intervals and deadlines are int64_t nanoseconds of CLOCK_MONOTONIC; 0 means "no deadline". Only what people
 * read (log lines) is wall-clock time.
 */
#ifndef COWHERD_CLOCK_H
#define COWHERD_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define CLOCK_NS_PER_MS INT64_C(1000000)
#define CLOCK_NS_PER_S INT64_C(1000000000)

int64_t clock_monotonic_ns(void);

/* Milliseconds until `deadline_ns` for poll(2)/epoll_wait(2): rounded up, at least 0, -1 (forever) for deadline 0. */
int clock_poll_timeout_ms(int64_t deadline_ns, int64_t now_ns);

#define CLOCK_ISO8601_SIZE 25 /* "2026-01-31T23:59:59.123Z" and NUL */
/* Writes the present wall-clock time in UTC with milliseconds (ISO 8601) and returns `buffer`. */
char *clock_iso8601(char buffer[CLOCK_ISO8601_SIZE]);

#endif
