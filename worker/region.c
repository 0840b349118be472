#include "region.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define POISON(address, size) __asan_poison_memory_region(address, size)
#define UNPOISON(address, size) __asan_unpoison_memory_region(address, size)
#else
#define POISON(address, size) ((void)(address), (void)(size))
#define UNPOISON(address, size) ((void)(address), (void)(size))
#endif

#define ALIGNMENT 8
#define HEADER 8 /* before each block: its capacity */
#define SMALL_MAX 512
#define SMALL_CLASSES (SMALL_MAX / ALIGNMENT)
#define STEPS 4 /* classes for each doubling above SMALL_MAX */
#define CLASSES (SMALL_CLASSES + 1 + 36 * STEPS)

struct region_bounds region_bounds;

static int region_fd = -1;
static bool frozen;
static void *free_lists[CLASSES];

bool region_is_frozen(void)
{
    return frozen;
}

/* The size class of a request and the capacity of its blocks. */
static size_t size_class(size_t size, size_t *capacity)
{
    if (size <= SMALL_MAX) {
        size_t class = size == 0 ? 1 : (size + ALIGNMENT - 1) / ALIGNMENT;
        *capacity = class * ALIGNMENT;
        return class;
    }
    size_t class = SMALL_CLASSES + 1, base = SMALL_MAX;
    for (;; base *= 2) {
        for (size_t step = 1; step <= STEPS; step++, class ++) {
            *capacity = base + base / STEPS * step;
            if (size <= *capacity)
                return class;
        }
    }
}

static size_t *header_of(const void *address)
{
    return (size_t *)((uintptr_t)address - HEADER);
}

size_t region_block_size(const void *address)
{
    return *header_of(address);
}

static void *block_at(uintptr_t header)
{
    return header < region_bounds.used ? (void *)(header + HEADER) : NULL;
}

void *region_first_block(void)
{
    return block_at(region_bounds.start);
}

void *region_next_block(const void *address)
{
    return block_at((uintptr_t)address + region_block_size(address));
}

bool region_resize(void *address, size_t size)
{
    if (size > region_block_size(address))
        return false;
    UNPOISON(address, size);
    return true;
}

void region_copy_block(void *target, void *address)
{
    size_t capacity = region_block_size(address);
    /* More than was asked for, perhaps. */
    UNPOISON(address, capacity);
    memcpy(target, address, capacity);
}

static bool is_last(const void *address, size_t capacity)
{
    return (uintptr_t)address + capacity == region_bounds.used;
}

/* No such block can be; size_class and its callers need not care about overflows then. */
static bool exceeds_region(size_t size)
{
    return size > region_bounds.end - region_bounds.start;
}

void *region_allocate(size_t size)
{
    size_t capacity;
    if (exceeds_region(size)) {
        errno = ENOMEM;
        return NULL;
    }
    size_t class = size_class(size, &capacity);
    void *address = free_lists[class];
    if (address != NULL) {
        UNPOISON(address, size > sizeof(void *) ? size : sizeof(void *));
        free_lists[class] = *(void **)address;
        return address;
    }
    if (capacity + HEADER > region_bounds.end - region_bounds.used) {
        errno = ENOMEM;
        return NULL;
    }
    address = (void *)(region_bounds.used + HEADER);
    region_bounds.used += capacity + HEADER;
    UNPOISON(header_of(address), HEADER + size);
    *header_of(address) = capacity;
    POISON((char *)address + size, capacity - size);
    return address;
}

void region_free(void *address)
{
    size_t capacity = region_block_size(address);
    size_t class = size_class(capacity, &capacity);
    UNPOISON(address, sizeof(void *));
    *(void **)address = free_lists[class];
    free_lists[class] = address;
    POISON(address, capacity);
}

#ifdef __SANITIZE_ADDRESS__
__attribute__((no_sanitize("address")))
#endif
static void *
next_free(void *address)
{
    return *(void **)address;
}

void region_each_free(void (*each)(void *address, size_t size, void *data), void *data)
{
    for (size_t class = 0; class < CLASSES; class ++)
        for (void *address = free_lists[class]; address != NULL; address = next_free(address))
            each(address, region_block_size(address), data);
}

/* The last block grows and shrinks where it is. */
static bool resize_last(void *address, size_t old_capacity, size_t size)
{
    size_t capacity;
    size_class(size, &capacity);
    if (!is_last(address, old_capacity) || (uintptr_t)address + capacity > region_bounds.end)
        return false;
    region_bounds.used = (uintptr_t)address + capacity;
    *header_of(address) = capacity;
    UNPOISON(address, size);
    return true;
}

void *region_reallocate(void *address, size_t size)
{
    size_t old_capacity = region_block_size(address);
    if (region_resize(address, size))
        return address;
    if (exceeds_region(size)) {
        errno = ENOMEM;
        return NULL;
    }
    if (resize_last(address, old_capacity, size))
        return address;
    void *moved = region_allocate(size);
    if (moved == NULL)
        return NULL;
    region_copy_block(moved, address);
    region_free(address);
    return moved;
}

/*
 * An app that forks while it loads, if only for a backquoted command, shares the region with its child: neither must
 * see what the other writes. The child takes a copy, and the parent waits until it has one.
 */
static int copied[2] = { -1, -1 };

static bool is_loading(void)
{
    return region_bounds.start != 0 && !frozen;
}

static void before_fork(void)
{
    if (!is_loading() || pipe2(copied, O_CLOEXEC) == -1)
        copied[0] = copied[1] = -1;
}

static void after_fork_in_parent(void)
{
    char byte;

    if (copied[0] == -1)
        return;
    close(copied[1]);
    while (read(copied[0], &byte, 1) == -1 && errno == EINTR)
        continue;
    close(copied[0]);
}

static void copy_region(void)
{
    size_t used = region_bounds.used - region_bounds.start, done = 0;
    char *copy = used > 0 ? mmap(NULL, used, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : NULL;

    if (copy == MAP_FAILED)
        copy = NULL;
    while (copy != NULL && done < used) {
        ssize_t count = pread(region_fd, copy + done, used - done, (off_t)done);
        if (count <= 0 && errno != EINTR)
            break;
        done += count > 0 ? (size_t)count : 0;
    }
    mmap((void *)region_bounds.start, region_bounds.end - region_bounds.start, PROT_READ | PROT_WRITE,
         MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, region_fd, 0);
    if (copy != NULL && done == used)
        mremap(copy, used, used, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)region_bounds.start);
}

static void after_fork_in_child(void)
{
    if (!is_loading())
        return;
    copy_region();
    if (copied[0] != -1) {
        close(copied[0]);
        close(copied[1]);
    }
}

int region_open(size_t capacity)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    capacity = (capacity + page - 1) / page * page;
    region_fd = memfd_create("cowherd-region", MFD_CLOEXEC);
    if (region_fd == -1)
        return -1;
    if (ftruncate(region_fd, (off_t)capacity) == -1)
        goto failed;
    void *start = mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, region_fd, 0);
    if (start == MAP_FAILED)
        goto failed;
    madvise(start, capacity, MADV_NOHUGEPAGE);
    region_bounds = (struct region_bounds){
        .start = (uintptr_t)start,
        .used = (uintptr_t)start,
        .end = (uintptr_t)start + capacity,
    };
    frozen = false;
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    return 0;

failed:;
    int saved_errno = errno;
    close(region_fd);
    region_fd = -1;
    errno = saved_errno;
    return -1;
}

void region_reset(void)
{
    UNPOISON((void *)region_bounds.start, region_bounds.used - region_bounds.start);
    memset(free_lists, 0, sizeof free_lists);
    region_bounds.used = region_bounds.start;
    /* Punches the pages out again. */
    madvise((void *)region_bounds.start, region_bounds.end - region_bounds.start, MADV_REMOVE);
}

/* Its first bytes are the list's. Where this fails the memory stays taken, that is all. */
static void give_back(void *address, size_t size, void *data)
{
    size_t page = *(size_t *)data;
    uintptr_t first = ((uintptr_t)address + sizeof(void *) + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)address + size) / page * page;

    if (first < end)
        fallocate(region_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(first - region_bounds.start),
                  (off_t)(end - first));
}

int region_freeze(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    /* Tables that grew have left large blocks behind. */
    region_each_free(give_back, &page);
    size_t used = (region_bounds.used - region_bounds.start + page - 1) / page * page;
    uintptr_t end = region_bounds.start + used;
    if (used > 0 && mmap((void *)region_bounds.start, used, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, region_fd, 0) == MAP_FAILED)
        return -1;
    madvise((void *)region_bounds.start, used, MADV_NOHUGEPAGE);
    if (region_bounds.end > end)
        munmap((void *)end, region_bounds.end - end);
    region_bounds.end = end;
    frozen = true;
    close(region_fd);
    region_fd = -1;
    return 0;
}
