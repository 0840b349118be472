/*
 * The region: the memory that everything is loaded into before the fork. While apps load it is a shared mapping of a
 * memfd, with an allocator of its own (a bump pointer and free lists by size class); freezing remaps it private, from
 * then on nothing is allocated from it or freed into it, and the pages that a process has broken out of it are exactly
 * the Anonymous: of that mapping in smaps (proc(5)).
 *
 * One region per process. Transparent huge pages are off (MADV_NOHUGEPAGE): one write would copy 2 MB.
 */
#ifndef COWHERD_REGION_H
#define COWHERD_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the region is: [start, used) holds data, [used, end) is reserved. All 0 before region_open. */
struct region_bounds {
    uintptr_t start;
    uintptr_t used;
    uintptr_t end;
};
extern struct region_bounds region_bounds;

/* Reserves address space for `capacity` bytes (memory is taken as it is used). 0, or -1 with errno. */
int region_open(size_t capacity);

/* Throws all contents away and starts anew. Only before the freeze. */
void region_reset(void);

/*
 * While loading. region_allocate: NULL when the region is full. region_reallocate keeps a block in place when it fits;
 * `address` must be a block of the region. Blocks are aligned to 8 bytes.
 */
void *region_allocate(size_t size);
void region_free(void *address);
void *region_reallocate(void *address, size_t size);

/* The usable size of a block, before and after the freeze. */
size_t region_block_size(const void *address);

/* Whether a block can hold `size` bytes where it is; if so, it does from now on. Before and after the freeze. */
bool region_resize(void *address, size_t size);

/*
 * All blocks in the order of their addresses, those that are free again, too: the first, and the one behind another;
 * NULL at the end.
 */
void *region_first_block(void);
void *region_next_block(const void *address);

/* Calls for every block that was freed and not used again. */
void region_each_free(void (*each)(void *address, size_t size, void *data), void *data);

/* Copies a whole block, before and after the freeze; `target` has room for region_block_size bytes. */
void region_copy_block(void *target, void *address);

/*
 * From now on the memory is private to each process and copied on write; that of free blocks goes back to the system.
 * 0, or -1 with errno.
 */
int region_freeze(void);
bool region_is_frozen(void);

static inline bool region_contains(const void *address)
{
    return (uintptr_t)address - region_bounds.start < region_bounds.end - region_bounds.start;
}

#endif
