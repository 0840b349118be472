#include "allocator_library.h"

#include <stdlib.h>

#include "shared_library.h"

struct allocator {
    const char *name;
    const char *sonames[2]; /* the newest first */
    const char *packages;
};

static const struct allocator allocators[] = {
    [ALLOCATOR_JEMALLOC] = { "jemalloc", { "libjemalloc.so.2" }, "libjemalloc2" },
    [ALLOCATOR_MIMALLOC] = { "mimalloc",
                             { "libmimalloc.so.3", "libmimalloc.so.2" },
                             "libmimalloc3 (Debian 13) or libmimalloc2.0 (Debian 12)" },
};

bool allocator_library(const struct config_pool *pool, char **path, struct strbuf *error)
{
    *path = NULL;
    if (pool->allocator == ALLOCATOR_GLIBC)
        return true;
    const struct allocator *allocator = &allocators[pool->allocator];
    for (size_t i = 0; i < sizeof allocator->sonames / sizeof *allocator->sonames; i++) {
        if (allocator->sonames[i] == NULL)
            continue;
        *path = shared_library_find(allocator->sonames[i], getenv("LD_LIBRARY_PATH"), SHARED_LIBRARY_CACHE);
        if (*path != NULL)
            return true;
    }
    if (pool->allocator_place != NULL)
        strbuf_printf(error, "%s: ", pool->allocator_place);
    strbuf_printf(error, "pools.%s.allocator: there is no %s on this machine", pool->name, allocator->name);
    strbuf_printf(error, " (%s): install the package %s", allocator->sonames[0], allocator->packages);
    return false;
}
