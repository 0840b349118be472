#include "allocator.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <malloc.h>
#include <stdint.h>

#define MMAP_THRESHOLD (4 << 20)
#define TRIM_THRESHOLD (64 << 20)

struct allocator {
    const char *name;
    void (*settle)(void);
    void (*trim)(void);
    bool (*usage)(struct allocator_usage *usage);
};

static const struct allocator *in_use; /* NULL: not found out yet */

/* glibc */

/*
 * One arena (a worker has one thread). Fixed thresholds: glibc's own grow with the largest block ever freed. A busy
 * worker keeps what it has freed, within bounds, and gives it back when it is quiet (collector.c).
 */
static void glibc_settle(void)
{
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
    mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD);
}

static void glibc_trim(void)
{
    malloc_trim(0);
}

static bool glibc_usage(struct allocator_usage *usage)
{
    struct mallinfo2 info = mallinfo2();
    *usage = (struct allocator_usage){ .used = info.uordblks + info.hblkhd, .free = info.fordblks };
    return true;
}

/* jemalloc: its settings came with MALLOC_CONF. */

static int (*mallctl)(const char *name, void *old, size_t *old_size, void *new, size_t new_size);

#define ALL_ARENAS "arena.4096." /* MALLCTL_ARENAS_ALL */

static void jemalloc_trim(void)
{
    mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
    mallctl(ALL_ARENAS "purge", NULL, NULL, NULL, 0);
}

static bool jemalloc_usage(struct allocator_usage *usage)
{
    uint64_t epoch = 1; /* makes it count anew */
    size_t allocated, resident, size = sizeof allocated;
    if (mallctl("epoch", NULL, NULL, &epoch, sizeof epoch) != 0 ||
        mallctl("stats.allocated", &allocated, &size, NULL, 0) != 0 ||
        mallctl("stats.resident", &resident, &size, NULL, 0) != 0)
        return false;
    *usage = (struct allocator_usage){ .used = allocated, .free = resident > allocated ? resident - allocated : 0 };
    return true;
}

/* mimalloc */

/* The beginning of its mi_heap_area_t, the same in versions 2 and 3. */
struct mimalloc_area {
    void *blocks;
    size_t reserved;
    size_t committed;
    size_t used; /* blocks */
    size_t block_size;
};

typedef bool mimalloc_visitor(const void *heap, const struct mimalloc_area *area, void *block, size_t size, void *data);

static void (*mi_collect)(bool force);
static void *(*mi_heap_get_default)(void);
static bool (*mi_heap_visit_blocks)(const void *heap, bool blocks, mimalloc_visitor *visitor, void *data);

static void mimalloc_trim(void)
{
    mi_collect(true);
}

static bool add_area(const void *heap, const struct mimalloc_area *area, void *block, size_t size, void *data)
{
    struct allocator_usage *usage = data;
    size_t used = area->used * area->block_size;
    (void)heap;
    (void)block;
    (void)size;
    usage->used += used;
    usage->free += area->committed > used ? area->committed - used : 0;
    return true;
}

static bool mimalloc_usage(struct allocator_usage *usage)
{
    return mi_heap_get_default != NULL && mi_heap_visit_blocks != NULL &&
           mi_heap_visit_blocks(mi_heap_get_default(), false, add_area, usage);
}

/* Some other one that was preloaded into cowherd, a sanitizer's for instance. */

static void nothing(void) {}

static bool no_usage(struct allocator_usage *usage)
{
    (void)usage;
    return false;
}

static const struct allocator glibc = { "glibc", glibc_settle, glibc_trim, glibc_usage };
static const struct allocator jemalloc = { "jemalloc", nothing, jemalloc_trim, jemalloc_usage };
static const struct allocator mimalloc = { "mimalloc", nothing, mimalloc_trim, mimalloc_usage };
static const struct allocator unknown = { "another library", nothing, nothing, no_usage };

/* The object that a symbol is from; NULL when nobody has it. */
static const void *provider(const void *symbol)
{
    Dl_info info;
    return symbol != NULL && dladdr(symbol, &info) != 0 ? info.dli_fbase : NULL;
}

/* A library that is merely loaded serves nobody: it is the one that malloc itself is from. */
static const struct allocator *find_out(void)
{
    const void *serving = provider(dlsym(RTLD_DEFAULT, "malloc"));
    mallctl = dlsym(RTLD_DEFAULT, "mallctl");
    mi_collect = dlsym(RTLD_DEFAULT, "mi_collect");
    mi_heap_get_default = dlsym(RTLD_DEFAULT, "mi_heap_get_default");
    mi_heap_visit_blocks = dlsym(RTLD_DEFAULT, "mi_heap_visit_blocks");
    if (serving == provider((const void *)gnu_get_libc_version))
        return &glibc;
    if (mallctl != NULL && serving == provider((const void *)mallctl))
        return &jemalloc;
    if (mi_collect != NULL && serving == provider((const void *)mi_collect))
        return &mimalloc;
    return &unknown;
}

static const struct allocator *current(void)
{
    if (in_use == NULL)
        in_use = find_out();
    return in_use;
}

bool allocator_settle(enum config_allocator wanted, struct strbuf *error)
{
    static const struct allocator *const known[] = {
        [ALLOCATOR_GLIBC] = &glibc,
        [ALLOCATOR_JEMALLOC] = &jemalloc,
        [ALLOCATOR_MIMALLOC] = &mimalloc,
    };
    current()->settle();
    if (wanted == ALLOCATOR_GLIBC || in_use == known[wanted])
        return true;
    strbuf_printf(error, "allocator: malloc is not %s's, but %s's: the library was not preloaded", known[wanted]->name,
                  in_use->name);
    return false;
}

void allocator_trim(void)
{
    current()->trim();
}

bool allocator_usage(struct allocator_usage *usage)
{
    *usage = (struct allocator_usage){ 0 };
    return current()->usage(usage);
}
