/*
 * Allocation that cannot fail: running out of memory in a worker's own bookkeeping is fatal (it says so and exits, and
 * is replaced). The supervisor, which nobody replaces, uses up a reserve and then waits for memory, while its workers
 * go on without it. Every result is owned by the caller and released with free(3).
 */
#ifndef COWHERD_XALLOC_H
#define COWHERD_XALLOC_H

#include <stddef.h>

/*
 * From now on this process waits for memory that can't be had, but for absurd amounts. Makes the reserve, also anew
 * when it was used up: to be called again now and then.
 */
void xalloc_be_patient(void);

/*
 * For a process that lives for months: what is large has a mapping of its own from now on and goes back with free(3).
 * (glibc's own bound grows with the largest block that was freed, and what is below it stays in the heap.) To be called
 * before anything else.
 */
void xalloc_keep_little(void);

/* Gives back the pages on which nothing lives: after something rare that took much. Some microseconds for each MiB. */
void xalloc_give_back(void);

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xreallocarray(void *old, size_t count, size_t size);
char *xstrdup(const char *string);
char *xstrndup(const char *string, size_t length);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
