/*
 * libFuzzer: any bytes as a time, and as a format. A first line is the format, the rest the text. What is read as a
 * moment can be written, and is the same when it is read again. `make fuzz` builds and runs it.
 */
#include <stdlib.h>
#include <string.h>

#include "time_read.h"
#include "time_write.h"

#define FORMAT_MAX 64 /* bytes: no more than 64 fields of TIME_WIDTH_MAX */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct output {
    char text[4096];
    size_t length, all;
};

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void put(void *data, const char *bytes, size_t length)
{
    struct output *output = data;
    size_t room = sizeof output->text - output->length;
    memcpy(output->text + output->length, bytes, length < room ? length : room);
    output->length += length < room ? length : room;
    output->all += length;
}

static void check(const struct time_parts *parts)
{
    static const char iso8601[] = "%Y-%m-%dT%H:%M:%SZ";
    const struct tm now = { .tm_year = 126, .tm_mday = 1 };
    struct output output = { .length = 0 };
    struct time_to_write moment = { .nanosecond = parts->nanosecond, .utc = true };
    struct time_parts again;
    int64_t seconds = 0;

    require(parts->nanosecond >= 0 && parts->nanosecond < 1000000000);
    if (!time_resolve(parts, &now, &moment.epoch))
        return;
    time_t epoch = moment.epoch;
    if (gmtime_r(&epoch, &moment.tm) == NULL || moment.tm.tm_year < -1900 || moment.tm.tm_year > 8099)
        return;
    require(time_write(&moment, iso8601, sizeof iso8601 - 1, put, &output) == TIME_WRITTEN);
    require(time_read_iso8601(&again, output.text, output.length) && time_resolve(&again, &now, &seconds));
    require(seconds == moment.epoch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    const char *line = size > 0 ? memchr(bytes, '\n', size) : NULL;
    size_t format_length = line != NULL ? (size_t)(line - bytes) : 0;
    size_t length = line != NULL ? size - format_length - 1 : size;
    /* Of exactly their sizes, so that a byte too far is found. */
    char *format = malloc(format_length + 1), *text = malloc(length > 0 ? length : 1);
    struct output output = { .length = 0 };
    const struct time_to_write moment = { .tm = { .tm_mday = 1, .tm_gmtoff = -34200, .tm_zone = "XXX" }, .epoch = -1 };
    struct time_parts parts;

    memcpy(format, bytes, format_length);
    if (length > 0)
        memcpy(text, bytes + size - length, length);
    if (time_read_iso8601(&parts, text, length))
        check(&parts);
    if (time_read_http(&parts, text, length))
        check(&parts);
    if (time_read_rfc2822(&parts, text, length))
        check(&parts);
    if (time_read_any(&parts, text, length))
        check(&parts);
    if (time_read_format(&parts, text, length, format, format_length))
        check(&parts);
    if (format_length <= FORMAT_MAX && time_write(&moment, format, format_length, put, &output) == TIME_WRITTEN)
        require(output.all <= (FORMAT_MAX + 1) * TIME_WIDTH_MAX);
    free(format);
    free(text);
    return 0;
}
