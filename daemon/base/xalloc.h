/*
 * Allocation that cannot fail: running out of memory in the supervisor's or a worker's own bookkeeping is fatal (the
 * process says so and exits; the supervisor's children go on, a worker is replaced). Every result is owned by the
 * caller and released with free(3).
 */
#ifndef COWHERD_XALLOC_H
#define COWHERD_XALLOC_H

#include <stddef.h>

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xreallocarray(void *old, size_t count, size_t size);
char *xstrdup(const char *string);
char *xstrndup(const char *string, size_t length);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
