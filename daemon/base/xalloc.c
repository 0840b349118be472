#include "xalloc.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "clock.h"
#include "log.h"

/* More than what a supervisor takes for a reload of hundreds of apps. */
#define RESERVE_SIZE ((size_t)1 << 20)
/* As glibc begins; what is told to it stays so. */
#define LARGE_SIZE (128 << 10)
#define ABSURD_SIZE ((size_t)1 << 30)
#define PAUSE_NS (50 * CLOCK_NS_PER_MS)
#define TOLD_NS (10 * CLOCK_NS_PER_S)

static bool patient;
static void *reserve;
static int64_t told_ns;

void xalloc_be_patient(void)
{
    patient = true;
    if (reserve != NULL)
        return;
    /* (malloc would take it from the heap where there is no room for a mapping, and keep pages there.) */
    reserve = mmap(NULL, RESERVE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (reserve == MAP_FAILED)
        reserve = NULL;
    if (reserve != NULL && told_ns != 0) {
        log_info("there is memory again");
        told_ns = 0;
    }
}

void xalloc_keep_little(void)
{
    mallopt(M_MMAP_THRESHOLD, LARGE_SIZE);
    mallopt(M_TRIM_THRESHOLD, LARGE_SIZE);
}

void xalloc_give_back(void)
{
    malloc_trim(0);
}

/* Returns when it is worth another try. */
static void wait_for_memory(size_t count, size_t size)
{
    const struct timespec pause = { .tv_nsec = PAUSE_NS };
    int64_t now_ns = clock_monotonic_ns();
    bool had_reserve = reserve != NULL;

    if (!patient || count > ABSURD_SIZE / size)
        fatalx("out of memory (%zu times %zu bytes)", count, size);
    if (had_reserve)
        munmap(reserve, RESERVE_SIZE);
    reserve = NULL;
    if (told_ns == 0 || now_ns - told_ns > TOLD_NS) {
        log_warnx("out of memory (%zu times %zu bytes): %s", count, size,
                  had_reserve ? "the reserve is used" : "waiting for it");
        told_ns = now_ns;
    }
    if (!had_reserve)
        nanosleep(&pause, NULL);
}

/* malloc(0) may return NULL, which would look like a failure: nothing is ever asked for fewer than one byte. */
void *xmalloc(size_t size)
{
    return xreallocarray(NULL, 1, size);
}

void *xcalloc(size_t count, size_t size)
{
    void *memory;

    if (count == 0 || size == 0)
        count = size = 1;
    while ((memory = calloc(count, size)) == NULL)
        wait_for_memory(count, size);
    return memory;
}

void *xreallocarray(void *old, size_t count, size_t size)
{
    void *memory;

    if (count == 0 || size == 0)
        count = size = 1;
    while ((memory = reallocarray(old, count, size)) == NULL)
        wait_for_memory(count, size);
    return memory;
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
    va_list arguments, again;

    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        fatal("cannot format \"%s\"", format);

    char *text = xmalloc((size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}
