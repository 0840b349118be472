#ifndef MRUBY_TIME_EXT_TIME_WRITE_H
#define MRUBY_TIME_EXT_TIME_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* The widest field that a format may ask for. */
#define TIME_WIDTH_MAX 1024

struct time_to_write {
    struct tm tm; /* with tm_gmtoff and tm_zone */
    int64_t epoch;
    long nanosecond;
    bool utc;
};

/* TIME_TOO_WIDE: a width is above TIME_WIDTH_MAX; TIME_NO_FORMAT: it ends within a directive. */
enum time_written { TIME_WRITTEN, TIME_TOO_WIDE, TIME_NO_FORMAT };

/* As Time#strftime of CRuby: what is no directive stays as it is. `put` is given the text in pieces. */
enum time_written time_write(const struct time_to_write *time, const char *format, size_t length,
                             void (*put)(void *data, const char *bytes, size_t length), void *data);

#endif
