/*
 * A growable byte string for text that is put together piecewise (log lines, the status, the canonical configuration).
 * `data` is always NUL-terminated once anything was appended; `length` does not count that NUL. A zeroed struct is
 * empty and valid. strbuf_free releases the memory and leaves an empty, valid string.
 */
#ifndef COWHERD_STRBUF_H
#define COWHERD_STRBUF_H

#include <stddef.h>

struct strbuf {
    char *data;
    size_t length;
    size_t capacity;
};

void strbuf_append(struct strbuf *buffer, const void *bytes, size_t length);
void strbuf_puts(struct strbuf *buffer, const char *string);
void strbuf_printf(struct strbuf *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends one byte `count` times. */
void strbuf_fill(struct strbuf *buffer, char byte, size_t count);
/* Drops the first `length` bytes. */
void strbuf_consume(struct strbuf *buffer, size_t length);
/* Gives the text to the caller (free(3)); never NULL. */
char *strbuf_detach(struct strbuf *buffer);
void strbuf_free(struct strbuf *buffer);

#endif
