#include "values.h"

#include <inttypes.h>
#include <string.h>

#include "xalloc.h"

struct unit {
    const char *name;
    int64_t factor;
};

#define MILLISECOND INT64_C(1000000)
#define SECOND (1000 * MILLISECOND)

/* The largest first, as printing wants them; the first of equals is the one that is printed. */
static const struct unit duration_units[] = {
    { "d", 86400 * SECOND }, { "h", 3600 * SECOND }, { "m", 60 * SECOND }, { "s", SECOND }, { "ms", MILLISECOND },
};

static const struct unit size_units[] = {
    { "TiB", INT64_C(1) << 40 },
    { "GiB", INT64_C(1) << 30 },
    { "MiB", INT64_C(1) << 20 },
    { "KiB", INT64_C(1) << 10 },
    { "", 1 },
};

static const struct unit decimal_size_units[] = {
    { "TB", INT64_C(1000000000000) }, { "GB", 1000000000 }, { "MB", 1000000 }, { "kB", 1000 }, { "B", 1 },
};

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* Reads decimal digits; *end is what follows them. */
static enum value_result read_digits(const char *text, int64_t *value, const char **end)
{
    const char *at = text;
    bool overflow = false;
    *value = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        overflow =
            overflow || __builtin_mul_overflow(*value, 10, value) || __builtin_add_overflow(*value, *at - '0', value);
    }
    *end = at;
    if (at == text || (text[0] == '0' && at > text + 1))
        return VALUE_MALFORMED;
    return overflow ? VALUE_OUT_OF_RANGE : VALUE_OK;
}

static const struct unit *find_unit(const struct unit *units, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(units[i].name, name) == 0)
            return &units[i];
    }
    return NULL;
}

static enum value_result scale(enum value_result digits, int64_t *value, const struct unit *unit)
{
    if (digits != VALUE_OK)
        return digits;
    return __builtin_mul_overflow(*value, unit->factor, value) ? VALUE_OUT_OF_RANGE : VALUE_OK;
}

enum value_result value_integer(const char *text, int64_t *value)
{
    bool negative = text[0] == '-';
    const char *end;
    enum value_result result = read_digits(text + negative, value, &end);
    if (*end != '\0' || (negative && strcmp(text, "-0") == 0))
        return VALUE_MALFORMED;
    if (result == VALUE_OK && negative)
        *value = -*value;
    return result;
}

enum value_result value_duration(const char *text, int64_t *nanoseconds)
{
    const char *end;
    enum value_result digits = read_digits(text, nanoseconds, &end);
    if (strcmp(text, "0") == 0)
        return VALUE_OK;
    const struct unit *unit = find_unit(duration_units, LENGTH(duration_units), end);
    return unit == NULL ? VALUE_MALFORMED : scale(digits, nanoseconds, unit);
}

enum value_result value_size(const char *text, int64_t *bytes)
{
    const char *end;
    enum value_result digits = read_digits(text, bytes, &end);
    const struct unit *unit = find_unit(size_units, LENGTH(size_units), end);
    if (unit == NULL)
        unit = find_unit(decimal_size_units, LENGTH(decimal_size_units), end);
    return unit == NULL ? VALUE_MALFORMED : scale(digits, bytes, unit);
}

enum value_result value_percent(const char *text, int64_t *percent)
{
    const char *end;
    enum value_result result = read_digits(text, percent, &end);
    if (strcmp(text, "0") == 0)
        return VALUE_OK;
    return strcmp(end, "%") == 0 ? result : VALUE_MALFORMED;
}

enum value_result value_mode(const char *text, int64_t *mode)
{
    size_t digits = strspn(text, "01234567");
    if (digits == 0 || text[digits] != '\0')
        return VALUE_MALFORMED;
    *mode = 0;
    for (size_t i = 0; i < digits; i++) {
        if (*mode > 07777)
            return VALUE_OUT_OF_RANGE;
        *mode = *mode * 8 + (text[i] - '0');
    }
    return VALUE_OK;
}

enum value_result value_boolean(const char *text, bool *value)
{
    static const struct {
        const char *spellings[3];
        bool value;
    } words[] = {
        { { "true", "True", "TRUE" }, true },     { { "yes", "Yes", "YES" }, true }, { { "on", "On", "ON" }, true },
        { { "false", "False", "FALSE" }, false }, { { "no", "No", "NO" }, false },   { { "off", "Off", "OFF" }, false },
    };
    for (size_t i = 0; i < LENGTH(words); i++) {
        for (size_t j = 0; j < LENGTH(words[i].spellings); j++) {
            if (strcmp(words[i].spellings[j], text) == 0) {
                *value = words[i].value;
                return VALUE_OK;
            }
        }
    }
    return VALUE_MALFORMED;
}

static void print_with_unit(struct strbuf *out, int64_t value, const struct unit *units, size_t count)
{
    size_t i = 0;
    while (i < count - 1 && value % units[i].factor != 0)
        i++;
    strbuf_printf(out, "%" PRId64 "%s", value / units[i].factor, units[i].name);
}

void value_print_duration(struct strbuf *out, int64_t nanoseconds)
{
    if (nanoseconds == 0)
        strbuf_puts(out, "0");
    else
        print_with_unit(out, nanoseconds, duration_units, LENGTH(duration_units));
}

void value_print_size(struct strbuf *out, int64_t bytes)
{
    if (bytes == 0)
        strbuf_puts(out, "0");
    else
        print_with_unit(out, bytes, size_units, LENGTH(size_units));
}

/* Appends the parts of `path`, each behind a slash. */
static void append_parts(struct strbuf *out, const char *path)
{
    while (*path != '\0') {
        size_t length = strcspn(path, "/");
        if (length > 0 && !(length == 1 && path[0] == '.')) {
            strbuf_puts(out, "/");
            strbuf_append(out, path, length);
        }
        path += length + (path[length] == '/');
    }
}

char *value_path(const char *directory, const char *path)
{
    struct strbuf out = { 0 };
    if (path[0] != '/')
        append_parts(&out, directory);
    append_parts(&out, path);
    if (out.length == 0)
        strbuf_puts(&out, "/");
    return strbuf_detach(&out);
}
