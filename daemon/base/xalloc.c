#include "xalloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

static void *checked(void *memory, size_t count, size_t size)
{
    if (memory == NULL)
        fatalx("out of memory (%zu times %zu bytes)", count, size);
    return memory;
}

/* malloc(0) may return NULL, which would look like a failure: nothing is ever asked for fewer than one byte. */
void *xmalloc(size_t size)
{
    return checked(malloc(size > 0 ? size : 1), 1, size);
}

void *xcalloc(size_t count, size_t size)
{
    if (count == 0 || size == 0)
        count = size = 1;
    return checked(calloc(count, size), count, size);
}

void *xreallocarray(void *old, size_t count, size_t size)
{
    if (count == 0 || size == 0)
        count = size = 1;
    return checked(reallocarray(old, count, size), count, size);
}

char *xstrdup(const char *string)
{
    return xstrndup(string, strlen(string));
}

char *xstrndup(const char *string, size_t length)
{
    size_t used = strnlen(string, length);
    char *copy = xmalloc(used + 1);

    memcpy(copy, string, used);
    copy[used] = '\0';
    return copy;
}

char *xasprintf(const char *format, ...)
{
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        fatal("cannot format \"%s\"", format);
    return text;
}
