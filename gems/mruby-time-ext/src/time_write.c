#include "time_write.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    const struct time_to_write *time;
    void (*put)(void *data, const char *bytes, size_t length);
    void *data;
};

/* What stands between % and the letter. */
struct directive {
    char pad; /* '0', ' ', '-' (none), or 0: as the letter has it */
    bool upper, swap;
    int colons, width; /* -1: none given */
};

static enum time_written write_format(const struct writer *writer, const char *format, size_t length);

static void fill(const struct writer *writer, char byte, int count)
{
    for (; count > 0; count--)
        writer->put(writer->data, &byte, 1);
}

static void write_number(const struct writer *writer, const struct directive *directive, int64_t number, int width,
                         char pad)
{
    char digits[24];
    uint64_t magnitude = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    int count = snprintf(digits, sizeof digits, "%" PRIu64, magnitude);

    pad = directive->pad != 0 ? directive->pad : pad;
    width = pad == '-' ? 0 : directive->width != -1 ? directive->width : width;
    int missing = width - count - (number < 0);
    if (number < 0 && pad != ' ')
        fill(writer, '-', 1);
    fill(writer, pad, missing);
    if (number < 0 && pad == ' ')
        fill(writer, '-', 1);
    writer->put(writer->data, digits, (size_t)count);
}

static void write_text(const struct writer *writer, const struct directive *directive, const char *text)
{
    size_t length = strlen(text);
    if (directive->pad != '-')
        fill(writer, directive->pad == '0' ? '0' : ' ', directive->width - (int)length);
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        char written = directive->upper || directive->swap ? (char)toupper(byte) : (char)byte;
        writer->put(writer->data, &written, 1);
    }
}

/* +0900, +09:00, +09:00:00; with three colons what the offset needs of it. "-" says of UTC that it is nobody's zone. */
static void write_offset(const struct writer *writer, const struct directive *directive)
{
    char hours[24], rest[16] = "";
    long offset = writer->time->utc ? 0 : writer->time->tm.tm_gmtoff;
    char sign = offset < 0 || (writer->time->utc && directive->pad == '-') ? '-' : '+';
    long seconds = labs(offset);
    int colons = directive->colons, count = snprintf(hours, sizeof hours, "%ld", seconds / 3600), length = 0;

    if (colons < 3 || seconds % 3600 != 0)
        length = snprintf(rest, sizeof rest, "%s%02ld", colons > 0 ? ":" : "", seconds / 60 % 60);
    if (colons == 2 || (colons == 3 && seconds % 60 != 0))
        length += snprintf(rest + length, sizeof rest - (size_t)length, ":%02ld", seconds % 60);
    int digits = directive->width - length - 1;
    int missing = (digits > 2 ? digits : 2) - count;
    if (directive->pad == ' ')
        fill(writer, ' ', missing);
    fill(writer, sign, 1);
    if (directive->pad != ' ')
        fill(writer, '0', missing);
    writer->put(writer->data, hours, (size_t)count);
    writer->put(writer->data, rest, (size_t)length);
}

static void write_fraction(const struct writer *writer, const struct directive *directive, int width)
{
    char digits[16];
    if (directive->width > 0)
        width = directive->width;
    snprintf(digits, sizeof digits, "%09ld", writer->time->nanosecond);
    writer->put(writer->data, digits, (size_t)(width < 9 ? width : 9));
    fill(writer, '0', width - 9);
}

/* The week of ISO 8601, and its year. */
static int iso_week(const struct tm *tm, int *year)
{
    char text[16];
    strftime(text, sizeof text, "%G", tm);
    *year = atoi(text);
    strftime(text, sizeof text, "%V", tm);
    return atoi(text);
}

static int floor_div(int number, int by)
{
    return number / by - (number % by < 0);
}

static bool write_numeric(const struct writer *writer, const struct directive *directive, char letter)
{
    const struct tm *tm = &writer->time->tm;
    int year = tm->tm_year + 1900, hour12 = (tm->tm_hour + 11) % 12 + 1, iso_year, week = iso_week(tm, &iso_year);
    const struct {
        char letter;
        int64_t number;
        int width;
        char pad;
    } fields[] = {
        { 'Y', year, year < 0 ? 5 : 4, '0' },
        { 'C', floor_div(year, 100), 2, '0' },
        { 'y', year - floor_div(year, 100) * 100, 2, '0' },
        { 'm', tm->tm_mon + 1, 2, '0' },
        { 'd', tm->tm_mday, 2, '0' },
        { 'e', tm->tm_mday, 2, ' ' },
        { 'j', tm->tm_yday + 1, 3, '0' },
        { 'H', tm->tm_hour, 2, '0' },
        { 'k', tm->tm_hour, 2, ' ' },
        { 'I', hour12, 2, '0' },
        { 'l', hour12, 2, ' ' },
        { 'M', tm->tm_min, 2, '0' },
        { 'S', tm->tm_sec, 2, '0' },
        { 'u', tm->tm_wday == 0 ? 7 : tm->tm_wday, 1, '0' },
        { 'w', tm->tm_wday, 1, '0' },
        { 'U', (tm->tm_yday + 7 - tm->tm_wday) / 7, 2, '0' },
        { 'W', (tm->tm_yday + 7 - (tm->tm_wday + 6) % 7) / 7, 2, '0' },
        { 'G', iso_year, 4, '0' },
        { 'g', iso_year - floor_div(iso_year, 100) * 100, 2, '0' },
        { 'V', week, 2, '0' },
        { 's', writer->time->epoch, 1, '0' },
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (fields[i].letter == letter) {
            write_number(writer, directive, fields[i].number, fields[i].width, fields[i].pad);
            return true;
        }
    }
    return false;
}

struct collected {
    char text[256];
    size_t length;
};

static void collect(void *data, const char *bytes, size_t length)
{
    struct collected *collected = data;
    for (size_t i = 0; i < length && collected->length + 1 < sizeof collected->text; i++)
        collected->text[collected->length++] = bytes[i];
}

/* A directive that stands for several: its width is that of the whole. */
static void write_composite(const struct writer *writer, const struct directive *directive, const char *format)
{
    struct collected collected = { .length = 0 };
    struct writer inner = { writer->time, collect, &collected };
    write_format(&inner, format, strlen(format));
    collected.text[collected.length] = '\0';
    write_text(writer, directive, collected.text);
}

static bool write_names(const struct writer *writer, struct directive *directive, char letter)
{
    static const char *const days[] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" };
    static const char *const months[] = { "January", "February", "March",     "April",   "May",      "June",
                                          "July",    "August",   "September", "October", "November", "December" };
    const struct tm *tm = &writer->time->tm;
    char text[16];

    switch (letter) {
    case 'A':
    case 'a': snprintf(text, sizeof text, letter == 'A' ? "%s" : "%.3s", days[tm->tm_wday]); break;
    case 'B':
    case 'b':
    case 'h': snprintf(text, sizeof text, letter == 'B' ? "%s" : "%.3s", months[tm->tm_mon]); break;
    case 'p':
    case 'P':
        snprintf(text, sizeof text, "%s",
                 letter == 'P' || directive->swap ? (tm->tm_hour < 12 ? "am" : "pm")
                                                  : (tm->tm_hour < 12 ? "AM" : "PM"));
        directive->swap = false;
        break;
    case 'Z':
        snprintf(text, sizeof text, "%s", writer->time->utc ? "UTC" : tm->tm_zone != NULL ? tm->tm_zone : "");
        if (directive->swap)
            for (char *at = text; *at != '\0'; at++)
                *at = (char)tolower((unsigned char)*at);
        directive->swap = false;
        break;
    case 'n': strcpy(text, "\n"); break;
    case 't': strcpy(text, "\t"); break;
    case '%': strcpy(text, "%"); break;
    default: return false;
    }
    write_text(writer, directive, text);
    return true;
}

static const char *spelled_out(char letter)
{
    switch (letter) {
    case 'c': return "%a %b %e %H:%M:%S %Y";
    case 'D':
    case 'x': return "%m/%d/%y";
    case 'F': return "%Y-%m-%d";
    case 'T':
    case 'X': return "%H:%M:%S";
    case 'R': return "%H:%M";
    case 'r': return "%I:%M:%S %p";
    case 'v': return "%e-%^b-%Y";
    default: return NULL;
    }
}

static bool write_directive(const struct writer *writer, struct directive *directive, char letter)
{
    const char *more = spelled_out(letter);
    if (letter == 'z') {
        write_offset(writer, directive);
        return true;
    }
    if (letter == 'L' || letter == 'N') {
        write_fraction(writer, directive, letter == 'L' ? 3 : 9);
        return true;
    }
    if (more != NULL)
        write_composite(writer, directive, more);
    return more != NULL || write_numeric(writer, directive, letter) || write_names(writer, directive, letter);
}

/* Colons, and E and O, stand before certain letters only: the place of these, else their own, which is no directive. */
static const char *read_modifier(struct directive *directive, const char *at, const char *end)
{
    if (*at == ':') {
        for (; at < end && *at == ':'; at++)
            directive->colons++;
        return at < end && *at == 'z' && directive->colons <= 3 ? at : at - 1;
    }
    const char *letters = *at == 'E' ? "cCxXyY" : "deHkIlmMSuUVwWy";
    return at + 1 < end && at[1] != '\0' && strchr(letters, at[1]) != NULL ? at + 1 : at;
}

/* Reads what follows a %, up to the letter; the letter's place, or NULL when there is none. */
static const char *read_directive(struct directive *directive, const char *at, const char *end)
{
    *directive = (struct directive){ .width = -1 };
    while (at < end) {
        char byte = *at;
        if (byte >= '1' && byte <= '9') {
            for (directive->width = 0; at < end && *at >= '0' && *at <= '9'; at++)
                if (directive->width <= TIME_WIDTH_MAX)
                    directive->width = directive->width * 10 + (*at - '0');
            continue;
        }
        if (byte == '-' || byte == '0' || byte == '_')
            directive->pad = byte == '_' ? ' ' : byte;
        else if (byte == '^')
            directive->upper = true;
        else if (byte == '#')
            directive->swap = true;
        else
            return byte == ':' || byte == 'E' || byte == 'O' ? read_modifier(directive, at, end) : at;
        at++;
    }
    return NULL;
}

static enum time_written write_format(const struct writer *writer, const char *format, size_t length)
{
    const char *end = format + length;
    while (format < end) {
        const char *percent = memchr(format, '%', (size_t)(end - format));
        if (percent == NULL)
            percent = end;
        if (percent > format)
            writer->put(writer->data, format, (size_t)(percent - format));
        if (percent == end)
            break;
        struct directive directive;
        const char *letter = read_directive(&directive, percent + 1, end);
        if (directive.width > TIME_WIDTH_MAX)
            return TIME_TOO_WIDE;
        if (letter == NULL)
            return TIME_NO_FORMAT;
        format = letter + 1;
        if (!write_directive(writer, &directive, *letter))
            writer->put(writer->data, percent, (size_t)(format - percent));
    }
    return TIME_WRITTEN;
}

enum time_written time_write(const struct time_to_write *time, const char *format, size_t length,
                             void (*put)(void *data, const char *bytes, size_t length), void *data)
{
    struct writer writer = { time, put, data };
    return write_format(&writer, format, length);
}
