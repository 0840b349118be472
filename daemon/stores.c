#include "stores.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pool.h"
#include "xalloc.h"

static bool is_in_memory(const struct config_app *app)
{
    return app->store.enabled && app->store.file == NULL;
}

/* A name has no slash, that of an app has one. */
static const char *name_of(const struct config_app *app)
{
    return app->store.name != NULL ? app->store.name : app->name;
}

void stores_adopt(struct stores *stores, const char *name, int data, int lock)
{
    stores->items = xreallocarray(stores->items, stores->count + 1, sizeof *stores->items);
    stores->items[stores->count++] = (struct store_memory){ .name = xstrdup(name), .data = data, .lock = lock };
}

static struct store_memory *find_or_make(struct stores *stores, const char *name)
{
    for (size_t i = 0; i < stores->count; i++)
        if (strcmp(stores->items[i].name, name) == 0)
            return &stores->items[i];
    int data = memfd_create("cowherd-store", MFD_CLOEXEC);
    int lock = data >= 0 ? memfd_create("cowherd-store-lock", MFD_CLOEXEC) : -1;
    if (lock < 0) {
        int error = errno;
        if (data >= 0)
            close(data);
        errno = error;
        return NULL;
    }
    stores_adopt(stores, name, data, lock);
    return &stores->items[stores->count - 1];
}

int *stores_acquire(struct stores *stores, const struct config_pool *settings, size_t *count)
{
    int *descriptors = xcalloc(2 * settings->app_count + 1, sizeof *descriptors);

    *count = 0;
    for (size_t i = 0; i < settings->app_count; i++) {
        if (!is_in_memory(&settings->apps[i]))
            continue;
        const struct store_memory *memory = find_or_make(stores, name_of(&settings->apps[i]));
        if (memory == NULL) {
            int error = errno;
            free(descriptors);
            errno = error;
            return NULL;
        }
        descriptors[(*count)++] = memory->data;
        descriptors[(*count)++] = memory->lock;
    }
    return descriptors;
}

static bool is_named(const struct pool *pool, const char *name)
{
    for (const struct generation *generation = pool->generations; generation; generation = generation->next)
        for (size_t i = 0; i < generation->settings->app_count; i++)
            if (is_in_memory(&generation->settings->apps[i]) &&
                strcmp(name_of(&generation->settings->apps[i]), name) == 0)
                return true;
    return false;
}

static void release(const struct store_memory *memory)
{
    close(memory->data);
    close(memory->lock);
    free(memory->name);
}

void stores_prune(struct pool *pool)
{
    struct stores *stores = &pool->stores;
    size_t kept = 0;

    for (size_t i = 0; i < stores->count; i++) {
        if (is_named(pool, stores->items[i].name))
            stores->items[kept++] = stores->items[i];
        else
            release(&stores->items[i]);
    }
    stores->count = kept;
}

void stores_free(struct stores *stores)
{
    for (size_t i = 0; i < stores->count; i++)
        release(&stores->items[i]);
    free(stores->items);
    *stores = (struct stores){ 0 };
}
