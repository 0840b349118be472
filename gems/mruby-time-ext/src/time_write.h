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

/* As Time#strftime of CRuby: what is no directive stays as it is. `put` is given the text in pieces. False for a width
   above TIME_WIDTH_MAX. */
bool time_write(const struct time_to_write *time, const char *format, size_t length,
                void (*put)(void *data, const char *bytes, size_t length), void *data);

#endif
