/*
 * The malloc(3) of this process: glibc's, or a library's that was preloaded (`allocator:`). Which one it is, is found
 * by asking the dynamic linker, so that this program links none of them.
 */
#ifndef COWHERD_ALLOCATOR_H
#define COWHERD_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "strbuf.h"

/*
 * Finds out which malloc this process has, and settles it for a worker with one thread; early in main. False when it is
 * not the `wanted` one; `error` then says which it is. ALLOCATOR_GLIBC, the default, is content with any: whoever
 * preloads another one into cowherd itself has decided.
 */
bool allocator_settle(enum config_allocator wanted, struct strbuf *error);

/*
 * What was freed goes back to the system, from between living blocks, too. For when nobody waits: walks what is free,
 * glibc each time anew (100 us for 3 MB in 2,000 blocks, some milliseconds for 20 MB in 14,000).
 */
void allocator_trim(void);

/*
 * Bytes in living blocks, and bytes that the allocator has beside them: between and behind them, and its own. After
 * allocator_trim much of `free` has no memory behind it with glibc, which does not say how much; jemalloc and mimalloc
 * count what has. False, and both 0, when the malloc in use doesn't tell. Takes about a tenth of allocator_trim's time.
 */
struct allocator_usage {
    size_t used;
    size_t free;
};
bool allocator_usage(struct allocator_usage *usage);

#endif
