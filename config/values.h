/*
 * The typed scalars of the configuration: text to number and back. Pure functions; spaces are never skipped.
 */
#ifndef COWHERD_VALUES_H
#define COWHERD_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "strbuf.h"

enum value_result {
    VALUE_OK,
    VALUE_MALFORMED,
    VALUE_OUT_OF_RANGE, /* well-formed, but it doesn't fit into the result */
};

/* Ten years: what is longer would overflow when it is added to a clock, and is a slip anyway. */
#define VALUE_DURATION_MAX (INT64_C(3650) * 86400 * 1000000000)

/* Decimal, with a minus sign perhaps. A leading zero is malformed: YAML 1.1 would read it as octal. */
enum value_result value_integer(const char *text, int64_t *value);

/* `500ms`, `15s`, `30m`, `1h`, `1d`, or `0`; nanoseconds. */
enum value_result value_duration(const char *text, int64_t *nanoseconds);

/* `4096`, `64KiB`, `32MiB`, `1GiB`, `1TiB` (powers of 1024), `10kB`, `10MB`, `1GB`, `1TB` (powers of 1000); bytes. */
enum value_result value_size(const char *text, int64_t *bytes);

/* `10%`, or `0`. */
enum value_result value_percent(const char *text, int64_t *percent);

/* Octal digits with or without a leading zero: `0660`, `660`. */
enum value_result value_mode(const char *text, int64_t *mode);

/* YAML 1.1's words: true, yes, on; false, no, off; in lower case, capitalised or in capitals. */
enum value_result value_boolean(const char *text, bool *value);

/* Appends the shortest spelling that is read back as the same value. The value is not negative. */
void value_print_duration(struct strbuf *out, int64_t nanoseconds);
void value_print_size(struct strbuf *out, int64_t bytes);

/*
 * The absolute path for `path`, which starts at `directory` when it is relative. Repeated and trailing slashes and `.`
 * are dropped; `..` stays, for only the file system knows where it leads. free(3) it.
 */
char *value_path(const char *directory, const char *path);

#endif
