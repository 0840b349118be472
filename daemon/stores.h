/*
 * The memory of a pool's shared stores: memfds that molds and workers inherit, kept for as long as a generation of the
 * pool names them. Nothing of it has a name in the file system.
 */
#ifndef COWHERD_STORES_H
#define COWHERD_STORES_H

#include <stddef.h>

#include "config.h"

struct pool;

struct store_memory {
    char *name; /* the store's, or that of its only app */
    int data, lock;
};

struct stores {
    struct store_memory *items;
    size_t count;
};

/*
 * Two descriptors (data, lock) for each app that has its store in memory, in the order of the apps; what isn't there is
 * made. They stay the pool's; free(3) the list. NULL with errno when one can't be made.
 */
int *stores_acquire(struct stores *stores, const struct config_pool *settings, size_t *count);

/* One that was made before, under its name. */
void stores_adopt(struct stores *stores, const char *name, int data, int lock);

/* Lets go of those that no generation of the pool names. */
void stores_prune(struct pool *pool);
void stores_free(struct stores *stores);

#endif
