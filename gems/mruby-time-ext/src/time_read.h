/* Times as text, without Ruby. */
#ifndef MRUBY_TIME_EXT_TIME_READ_H
#define MRUBY_TIME_EXT_TIME_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* No text of more bytes is a time. */
#define TIME_TEXT_MAX 128

enum time_zone { ZONE_LOCAL, ZONE_UTC, ZONE_OFFSET };

/* What a text says. Fields that it doesn't name are -1, `nanosecond` and `offset` 0. */
struct time_parts {
    int year, month, day; /* from 1 */
    int hour, minute, second;
    long nanosecond;
    enum time_zone zone;
    long offset; /* seconds east of Greenwich, of ZONE_OFFSET */
    bool has_epoch;
    int64_t epoch; /* seconds: stands for all of the above but the nanosecond */
};

/* Each: false when the text is not of this form. The text needs no NUL at its end. */
bool time_read_iso8601(struct time_parts *parts, const char *text, size_t length);
bool time_read_http(struct time_parts *parts, const char *text, size_t length);
bool time_read_rfc2822(struct time_parts *parts, const char *text, size_t length);
/* The common forms of day and clock, in any order; also either alone. */
bool time_read_any(struct time_parts *parts, const char *text, size_t length);
/* As strptime(3) of the C locale, with %L, %N and %z, and nothing of the text left over. */
bool time_read_format(struct time_parts *parts, const char *text, size_t length, const char *format,
                      size_t format_length);

/* Seconds since 1970. What the text hasn't named is taken from `now` (the day) or is the least there is; false when it
   is out of range (February 30th, 25 o'clock). */
bool time_resolve(const struct time_parts *parts, const struct tm *now, int64_t *seconds);

#endif
