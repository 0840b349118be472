#include "time_read.h"

#include <string.h>
#include <strings.h>

struct cursor {
    const char *at, *end;
};

static const char *const month_names[] = { "january", "february", "march",     "april",   "may",      "june",
                                           "july",    "august",   "september", "october", "november", "december" };
static const char *const day_names[] = { "sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday" };

static const struct {
    const char *name;
    int hours;
} zone_names[] = {
    { "utc", 0 },  { "gmt", 0 },  { "ut", 0 },   { "z", 0 },    { "est", -5 }, { "edt", -4 }, { "cst", -6 },
    { "cdt", -5 }, { "mst", -7 }, { "mdt", -6 }, { "pst", -8 }, { "pdt", -7 }, { "jst", 9 },
};

static const struct time_parts nothing = { .year = -1, .month = -1, .day = -1, .hour = -1, .minute = -1, .second = -1 };

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_letter(char byte)
{
    return (byte | 32) >= 'a' && (byte | 32) <= 'z';
}

static bool is_space(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static struct cursor cursor_of(const char *text, size_t length)
{
    struct cursor cursor = { text, text + (length <= TIME_TEXT_MAX ? length : 0) };
    while (cursor.at < cursor.end && is_space(*cursor.at))
        cursor.at++;
    while (cursor.at < cursor.end && is_space(cursor.end[-1]))
        cursor.end--;
    return cursor;
}

static bool at_end(const struct cursor *cursor)
{
    return cursor->at == cursor->end;
}

static char peek(const struct cursor *cursor)
{
    return at_end(cursor) ? '\0' : *cursor->at;
}

static bool take(struct cursor *cursor, char byte)
{
    if (at_end(cursor) || *cursor->at != byte)
        return false;
    cursor->at++;
    return true;
}

static bool skip_spaces(struct cursor *cursor)
{
    const char *start = cursor->at;
    while (!at_end(cursor) && is_space(*cursor->at))
        cursor->at++;
    return cursor->at > start;
}

static int digits_ahead(const struct cursor *cursor)
{
    int count = 0;
    while (cursor->at + count < cursor->end && is_digit(cursor->at[count]))
        count++;
    return count;
}

/* Of `least` to `most` digits, as many as there are; most is at most 9. */
static bool take_number(struct cursor *cursor, int least, int most, int *number)
{
    int count = digits_ahead(cursor);
    if (count < least)
        return false;
    *number = 0;
    for (int i = 0; i < count && i < most; i++)
        *number = *number * 10 + (*cursor->at++ - '0');
    return true;
}

static void take_fraction(struct cursor *cursor, long *nanosecond)
{
    *nanosecond = 0;
    for (long unit = 100000000; !at_end(cursor) && is_digit(*cursor->at); unit /= 10)
        *nanosecond += unit * (*cursor->at++ - '0');
}

static size_t letters_ahead(const struct cursor *cursor)
{
    size_t count = 0;
    while (cursor->at + count < cursor->end && is_letter(cursor->at[count]))
        count++;
    return count;
}

/* Of names, whole or their first three letters: the index, or -1. */
static int find_name(const char *word, size_t length, const char *const names[], int count)
{
    for (int i = 0; i < count; i++)
        if ((length == 3 || length == strlen(names[i])) && strncasecmp(word, names[i], length) == 0)
            return i;
    return -1;
}

static bool take_month(struct cursor *cursor, int *month)
{
    size_t length = letters_ahead(cursor);
    int index = find_name(cursor->at, length, month_names, 12);
    cursor->at += length;
    *month = index + 1;
    return index >= 0;
}

static bool take_week_day(struct cursor *cursor)
{
    size_t length = letters_ahead(cursor);
    bool found = find_name(cursor->at, length, day_names, 7) >= 0;
    cursor->at += length;
    return found;
}

static void set_offset(struct time_parts *parts, long offset, bool utc)
{
    parts->zone = utc ? ZONE_UTC : ZONE_OFFSET;
    parts->offset = offset;
}

/* +09:00, +0900, +09. */
static bool take_offset(struct cursor *cursor, struct time_parts *parts)
{
    int hours, minutes = 0;
    char sign = peek(cursor);

    if (sign != '+' && sign != '-')
        return false;
    cursor->at++;
    if (!take_number(cursor, 2, 2, &hours))
        return false;
    if (take(cursor, ':') ? !take_number(cursor, 2, 2, &minutes)
                          : digits_ahead(cursor) > 0 && !take_number(cursor, 2, 2, &minutes))
        return false;
    long offset = hours * 3600L + minutes * 60L;
    set_offset(parts, sign == '-' ? -offset : offset, sign == '-' && offset == 0);
    return hours < 24 && minutes < 60;
}

static bool take_zone_name(struct cursor *cursor, struct time_parts *parts)
{
    size_t length = letters_ahead(cursor);
    for (size_t i = 0; i < sizeof zone_names / sizeof *zone_names; i++) {
        if (length == strlen(zone_names[i].name) && strncasecmp(cursor->at, zone_names[i].name, length) == 0) {
            cursor->at += length;
            set_offset(parts, zone_names[i].hours * 3600L, zone_names[i].hours == 0);
            return true;
        }
    }
    return false;
}

static bool take_zone(struct cursor *cursor, struct time_parts *parts)
{
    return is_letter(peek(cursor)) ? take_zone_name(cursor, parts) : take_offset(cursor, parts);
}

/* 12:30, 12:30:15, 12:30:15.25 */
static bool take_clock(struct cursor *cursor, struct time_parts *parts, bool needs_seconds)
{
    if (!take_number(cursor, 1, 2, &parts->hour) || !take(cursor, ':') || !take_number(cursor, 2, 2, &parts->minute))
        return false;
    parts->second = 0;
    if (!take(cursor, ':'))
        return !needs_seconds;
    if (!take_number(cursor, 2, 2, &parts->second))
        return false;
    if ((peek(cursor) == '.' || peek(cursor) == ',') && cursor->at + 1 < cursor->end && is_digit(cursor->at[1])) {
        cursor->at++;
        take_fraction(cursor, &parts->nanosecond);
    }
    return true;
}

bool time_read_iso8601(struct time_parts *parts, const char *text, size_t length)
{
    struct cursor cursor = cursor_of(text, length);
    *parts = nothing;
    if (digits_ahead(&cursor) != 4 || !take_number(&cursor, 4, 4, &parts->year) || !take(&cursor, '-') ||
        !take_number(&cursor, 2, 2, &parts->month) || !take(&cursor, '-') || !take_number(&cursor, 2, 2, &parts->day))
        return false;
    if ((!take(&cursor, 'T') && !take(&cursor, 't')) || digits_ahead(&cursor) != 2 || !take_clock(&cursor, parts, true))
        return false;
    return at_end(&cursor) || ((peek(&cursor) == 'Z' || peek(&cursor) == 'z' || !is_letter(peek(&cursor))) &&
                               take_zone(&cursor, parts) && at_end(&cursor));
}

/* Thu Jan  1 00:00:00 1970, behind the name of the day. */
static bool read_asctime(struct cursor *cursor, struct time_parts *parts)
{
    return skip_spaces(cursor) && take_month(cursor, &parts->month) && skip_spaces(cursor) &&
           take_number(cursor, 1, 2, &parts->day) && skip_spaces(cursor) && take_clock(cursor, parts, true) &&
           skip_spaces(cursor) && take_number(cursor, 4, 4, &parts->year) && at_end(cursor);
}

static int whole_year(int year)
{
    return year < 69 ? year + 2000 : year + 1900;
}

bool time_read_http(struct time_parts *parts, const char *text, size_t length)
{
    struct cursor cursor = cursor_of(text, length);
    *parts = nothing;
    parts->zone = ZONE_UTC;
    if (!take_week_day(&cursor))
        return false;
    if (!take(&cursor, ','))
        return read_asctime(&cursor, parts);
    if (!take(&cursor, ' ') || !take_number(&cursor, 2, 2, &parts->day))
        return false;
    bool old = take(&cursor, '-'); /* RFC 850: 06-Nov-94 */
    if ((!old && !take(&cursor, ' ')) || !take_month(&cursor, &parts->month) || !take(&cursor, old ? '-' : ' ') ||
        digits_ahead(&cursor) != (old ? 2 : 4) || !take_number(&cursor, 2, 4, &parts->year))
        return false;
    if (old)
        parts->year = whole_year(parts->year);
    return take(&cursor, ' ') && digits_ahead(&cursor) == 2 && take_clock(&cursor, parts, true) && take(&cursor, ' ') &&
           cursor.end - cursor.at == 3 && strncasecmp(cursor.at, "GMT", 3) == 0;
}

bool time_read_rfc2822(struct time_parts *parts, const char *text, size_t length)
{
    struct cursor cursor = cursor_of(text, length);
    *parts = nothing;
    if (is_letter(peek(&cursor))) {
        if (!take_week_day(&cursor) || !take(&cursor, ','))
            return false;
        skip_spaces(&cursor);
    }
    if (!take_number(&cursor, 1, 2, &parts->day) || !skip_spaces(&cursor) || !take_month(&cursor, &parts->month) ||
        !skip_spaces(&cursor))
        return false;
    int digits = digits_ahead(&cursor);
    if (digits < 2 || digits > 4 || !take_number(&cursor, 2, 4, &parts->year))
        return false;
    if (digits < 4)
        parts->year = digits == 3 ? parts->year + 1900 : parts->year < 50 ? parts->year + 2000 : parts->year + 1900;
    return skip_spaces(&cursor) && take_clock(&cursor, parts, false) && skip_spaces(&cursor) &&
           take_zone(&cursor, parts) && at_end(&cursor);
}

/* Behind a number that is a day: 1st, 2nd, 3rd, 4th. */
static void skip_ordinal(struct cursor *cursor)
{
    static const char *const endings[] = { "st", "nd", "rd", "th" };

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (letters_ahead(cursor) == 2 && strncasecmp(cursor->at, endings[i], 2) == 0)
            cursor->at += 2;
}

/* 3pm, 3 pm: behind the digits. */
static bool noon_follows(const struct cursor *cursor, int digits)
{
    struct cursor ahead = { cursor->at + digits, cursor->end };

    skip_spaces(&ahead);
    char letter = (char)(peek(&ahead) | 32);
    return letters_ahead(&ahead) == 2 && (letter == 'a' || letter == 'p') && (ahead.at[1] | 32) == 'm';
}

/* 20260102150405 */
static bool take_all_digits(struct cursor *cursor, struct time_parts *parts)
{
    return take_number(cursor, 4, 4, &parts->year) && take_number(cursor, 2, 2, &parts->month) &&
           take_number(cursor, 2, 2, &parts->day) && take_number(cursor, 2, 2, &parts->hour) &&
           take_number(cursor, 2, 2, &parts->minute) && take_number(cursor, 2, 2, &parts->second);
}

/* Whatever begins with a digit: a day, a clock, a part of a day. */
static bool take_numeric(struct cursor *cursor, struct time_parts *parts)
{
    int digits = digits_ahead(cursor);
    char next = cursor->at + digits < cursor->end ? cursor->at[digits] : '\0';

    if (digits <= 2 && next == ':')
        return parts->hour == -1 && take_clock(cursor, parts, false);
    if (digits == 4 && (next == '-' || next == '/')) {
        if (parts->year != -1 || !take_number(cursor, 4, 4, &parts->year) || !take(cursor, next) ||
            !take_number(cursor, 1, 2, &parts->month))
            return false;
        return !take(cursor, next) || take_number(cursor, 1, 2, &parts->day);
    }
    if (digits == 8 && parts->year == -1)
        return take_number(cursor, 4, 4, &parts->year) && take_number(cursor, 2, 2, &parts->month) &&
               take_number(cursor, 2, 2, &parts->day);
    if (digits == 6 && parts->hour == -1 && parts->year != -1)
        return take_number(cursor, 2, 2, &parts->hour) && take_number(cursor, 2, 2, &parts->minute) &&
               take_number(cursor, 2, 2, &parts->second);
    if (digits == 14 && parts->year == -1 && parts->hour == -1)
        return take_all_digits(cursor, parts);
    if (digits <= 2 && parts->hour == -1 && noon_follows(cursor, digits))
        return take_number(cursor, 1, 2, &parts->hour);
    if (digits <= 2 && parts->day == -1) {
        bool taken = take_number(cursor, 1, 2, &parts->day);
        skip_ordinal(cursor);
        return taken;
    }
    return digits == 4 && parts->year == -1 && take_number(cursor, 4, 4, &parts->year);
}

static bool take_noon(struct cursor *cursor, struct time_parts *parts)
{
    bool after = (*cursor->at | 32) == 'p';
    if (letters_ahead(cursor) != 2 || (!after && (*cursor->at | 32) != 'a') || (cursor->at[1] | 32) != 'm' ||
        parts->hour < 1 || parts->hour > 12)
        return false;
    parts->hour = parts->hour % 12 + (after ? 12 : 0);
    cursor->at += 2;
    return true;
}

static bool take_word(struct cursor *cursor, struct time_parts *parts)
{
    size_t length = letters_ahead(cursor);
    if (length == 1 && (*cursor->at | 32) == 't' && parts->day != -1 && parts->hour == -1) {
        cursor->at++;
        return is_digit(peek(cursor));
    }
    int month = find_name(cursor->at, length, month_names, 12);
    if (month >= 0 && parts->month == -1) {
        parts->month = month + 1;
        cursor->at += length;
        return true;
    }
    if (find_name(cursor->at, length, day_names, 7) >= 0) {
        cursor->at += length;
        return true;
    }
    return take_noon(cursor, parts) || (parts->zone == ZONE_LOCAL && take_zone_name(cursor, parts));
}

/* (JST) and the like, behind an offset: nothing but a remark. */
static bool skip_remark(struct cursor *cursor)
{
    const char *close = memchr(cursor->at, ')', (size_t)(cursor->end - cursor->at));

    if (close != NULL)
        cursor->at = close + 1;
    return close != NULL;
}

/* An offset, which may follow GMT at once. */
static bool take_offset_behind(struct cursor *cursor, struct time_parts *parts)
{
    bool of_gmt = parts->zone == ZONE_UTC && is_letter(cursor->at[-1]);

    return (of_gmt || parts->zone == ZONE_LOCAL) && take_offset(cursor, parts);
}

bool time_read_any(struct time_parts *parts, const char *text, size_t length)
{
    struct cursor cursor = cursor_of(text, length);
    /* With two digits for the year; asctime's form is local here. */
    if (time_read_http(parts, text, length) && memchr(text, ',', length) != NULL)
        return true;
    *parts = nothing;
    while (!at_end(&cursor)) {
        char byte = *cursor.at;
        bool taken = is_space(byte) || byte == ',';
        if (taken)
            cursor.at++;
        else if (is_digit(byte))
            taken = take_numeric(&cursor, parts);
        else if (is_letter(byte))
            taken = take_word(&cursor, parts);
        else if (byte == '+' || (byte == '-' && parts->hour != -1))
            taken = parts->hour != -1 && take_offset_behind(&cursor, parts);
        else if (byte == '(' && parts->zone != ZONE_LOCAL)
            taken = skip_remark(&cursor);
        else if (byte == '-')
            taken = take(&cursor, '-') && parts->day != -1; /* 6-Nov-2026 */
        if (!taken)
            return false;
    }
    return parts->day != -1 || parts->hour != -1 || parts->month != -1;
}

static bool take_epoch(struct cursor *cursor, struct time_parts *parts)
{
    bool negative = take(cursor, '-');
    int count = digits_ahead(cursor);
    if (count < 1 || count > 15)
        return false;
    parts->has_epoch = true;
    for (parts->epoch = 0; count > 0; count--)
        parts->epoch = parts->epoch * 10 + (*cursor->at++ - '0');
    if (negative)
        parts->epoch = -parts->epoch;
    return true;
}

/* What %I and %p and %j and %y have said. */
struct format_state {
    int noon, year_day;
};

static bool take_directive(struct cursor *cursor, struct time_parts *parts, struct format_state *state, char directive)
{
    switch (directive) {
    case 'Y': return take_number(cursor, 1, 4, &parts->year);
    case 'y':
        if (!take_number(cursor, 1, 2, &parts->year))
            return false;
        parts->year = whole_year(parts->year);
        return true;
    case 'm': return take_number(cursor, 1, 2, &parts->month);
    case 'd':
    case 'e': skip_spaces(cursor); return take_number(cursor, 1, 2, &parts->day);
    case 'j': return take_number(cursor, 1, 3, &state->year_day) && state->year_day >= 1 && state->year_day <= 366;
    case 'H':
    case 'k':
    case 'I':
    case 'l':
        skip_spaces(cursor);
        return take_number(cursor, 1, 2, &parts->hour) &&
               ((directive != 'I' && directive != 'l') || (parts->hour >= 1 && parts->hour <= 12));
    case 'M': return take_number(cursor, 1, 2, &parts->minute);
    case 'S': return take_number(cursor, 1, 2, &parts->second);
    case 'L':
    case 'N':
        if (digits_ahead(cursor) == 0)
            return false;
        take_fraction(cursor, &parts->nanosecond);
        return true;
    case 'b':
    case 'B':
    case 'h': return take_month(cursor, &parts->month);
    case 'a':
    case 'A': return take_week_day(cursor);
    case 'p':
    case 'P':
        if (letters_ahead(cursor) != 2 || (cursor->at[1] | 32) != 'm')
            return false;
        state->noon = *cursor->at | 32;
        cursor->at += 2;
        return state->noon == 'a' || state->noon == 'p';
    case 'z':
    case 'Z': return take_zone(cursor, parts);
    case 's': return take_epoch(cursor, parts);
    case '%': return take(cursor, '%');
    case 'n':
    case 't': skip_spaces(cursor); return true;
    default: return false;
    }
}

static const char *spelled_out(char directive)
{
    switch (directive) {
    case 'F': return "%Y-%m-%d";
    case 'T':
    case 'X': return "%H:%M:%S";
    case 'R': return "%H:%M";
    case 'D':
    case 'x': return "%m/%d/%y";
    case 'c': return "%a %b %e %H:%M:%S %Y";
    case 'r': return "%I:%M:%S %p";
    default: return NULL;
    }
}

static bool take_format(struct cursor *cursor, struct time_parts *parts, struct format_state *state, const char *format,
                        const char *end)
{
    for (; format < end; format++) {
        if (*format == '%' && format + 1 < end) {
            const char *more = spelled_out(*++format);
            if (more != NULL ? !take_format(cursor, parts, state, more, more + strlen(more))
                             : !take_directive(cursor, parts, state, *format))
                return false;
        } else if (is_space(*format)) {
            skip_spaces(cursor);
        } else if (!take(cursor, *format)) {
            return false;
        }
    }
    return true;
}

static int days_of_month(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

bool time_read_format(struct time_parts *parts, const char *text, size_t length, const char *format,
                      size_t format_length)
{
    struct cursor cursor = cursor_of(text, length);
    struct format_state state = { 0 };

    *parts = nothing;
    if (length > TIME_TEXT_MAX || !take_format(&cursor, parts, &state, format, format + format_length) ||
        !at_end(&cursor))
        return false;
    if (state.noon != 0 && parts->hour != -1) {
        if (parts->hour > 12)
            return false;
        parts->hour = parts->hour % 12 + (state.noon == 'p' ? 12 : 0);
    }
    if (state.year_day > 0 && parts->year != -1) {
        parts->day = state.year_day;
        for (parts->month = 1; parts->month < 12 && parts->day > days_of_month(parts->year, parts->month);)
            parts->day -= days_of_month(parts->year, parts->month++);
    }
    return true;
}

/* Days since 1970-01-01, of the Gregorian calendar. */
static int64_t day_number(int year, int month, int day)
{
    int64_t shifted = month <= 2 ? year - 1 : year;
    int64_t era = (shifted >= 0 ? shifted : shifted - 399) / 400;
    int64_t year_of_era = shifted - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static int or_else(int number, int otherwise)
{
    return number != -1 ? number : otherwise;
}

bool time_resolve(const struct time_parts *parts, const struct tm *now, int64_t *seconds)
{
    bool of_today = parts->year == -1 && parts->month == -1 && parts->day == -1;
    int year = or_else(parts->year, now->tm_year + 1900);
    int month = or_else(parts->month, of_today || parts->year == -1 ? now->tm_mon + 1 : 1);
    int day = or_else(parts->day, of_today ? now->tm_mday : 1);
    int hour = or_else(parts->hour, 0), minute = or_else(parts->minute, 0), second = or_else(parts->second, 0);

    if (parts->has_epoch) {
        *seconds = parts->epoch;
        return true;
    }
    if (month < 1 || month > 12 || day < 1 || day > days_of_month(year, month) || minute > 59 || second > 60 ||
        hour > 24 || (hour == 24 && (minute > 0 || second > 0)))
        return false;
    if (parts->zone == ZONE_LOCAL) {
        struct tm local = {
            .tm_year = year - 1900,
            .tm_mon = month - 1,
            .tm_mday = day,
            .tm_hour = hour,
            .tm_min = minute,
            .tm_sec = second,
            .tm_isdst = -1,
        };
        *seconds = mktime(&local);
        return true;
    }
    *seconds = day_number(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - parts->offset;
    return true;
}
