#include "strbuf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "xalloc.h"

#define FIRST_CAPACITY 64

/* Room for `more` bytes and the NUL; returns where they go. */
static char *reserve(struct strbuf *buffer, size_t more)
{
    if (more >= SIZE_MAX / 2 - buffer->length)
        fatalx("a string of %zu and %zu bytes is too long", buffer->length, more);

    size_t needed = buffer->length + more + 1;

    if (needed > buffer->capacity) {
        size_t capacity = buffer->capacity > 0 ? buffer->capacity : FIRST_CAPACITY;
        while (capacity < needed)
            capacity *= 2;
        buffer->data = xreallocarray(buffer->data, capacity, 1);
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->length;
}

static void extend(struct strbuf *buffer, size_t length)
{
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
}

void strbuf_append(struct strbuf *buffer, const void *bytes, size_t length)
{
    char *end = reserve(buffer, length);

    if (length > 0)
        memcpy(end, bytes, length);
    extend(buffer, length);
}

void strbuf_puts(struct strbuf *buffer, const char *string)
{
    strbuf_append(buffer, string, strlen(string));
}

void strbuf_printf(struct strbuf *buffer, const char *format, ...)
{
    va_list arguments, again;

    va_start(arguments, format);
    va_copy(again, arguments);

    char *end = reserve(buffer, 0);
    size_t room = buffer->capacity - buffer->length;
    int length = vsnprintf(end, room, format, arguments);

    if (length < 0)
        fatal("cannot format \"%s\"", format);
    if ((size_t)length >= room) {
        end = reserve(buffer, (size_t)length);
        vsnprintf(end, (size_t)length + 1, format, again);
    }
    extend(buffer, (size_t)length);
    va_end(again);
    va_end(arguments);
}

void strbuf_fill(struct strbuf *buffer, char byte, size_t count)
{
    memset(reserve(buffer, count), byte, count);
    extend(buffer, count);
}

void strbuf_consume(struct strbuf *buffer, size_t length)
{
    if (length == 0)
        return;
    if (length > buffer->length)
        length = buffer->length;
    buffer->length -= length;
    if (buffer->data != NULL)
        memmove(buffer->data, buffer->data + length, buffer->length + 1);
}

char *strbuf_detach(struct strbuf *buffer)
{
    char *text = buffer->data != NULL ? buffer->data : xstrdup("");

    *buffer = (struct strbuf){ 0 };
    return text;
}

void strbuf_free(struct strbuf *buffer)
{
    free(buffer->data);
    *buffer = (struct strbuf){ 0 };
}
