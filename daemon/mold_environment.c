#include "mold_environment.h"

#include <stdlib.h>
#include <string.h>

#include "outer_environment.h"
#include "xalloc.h"

/*
 * What glibc caches for its thread can't be given back, and pins the pages that it lies in. The common sizes are cached
 * soon, the others by and by, as code of all kinds comes and goes: so only the smallest ones, which a request takes by
 * the dozen, 21 kB at most. With 16 of each of its 64 sizes a worker whose script is edited at every request grew from
 * 0.7 to 1.1 MB in 200,000 of them; now it does not grow. A hello takes 36,930 instructions, 36,710 with 16 of all
 * sizes, and 38,470 with 2 of each up to 576 bytes, which would bound the cache as well.
 */
#define GLIBC_SETTINGS "glibc.malloc.tcache_count=24:glibc.malloc.tcache_max=152"

/*
 * One arena and no thread of its own, for a process with one thread. Free pages go back after a second, and really
 * (muzzy ones count as the worker's until the system is short of memory); huge ones would be copied whole.
 */
#define JEMALLOC_SETTINGS                                                                                              \
    "narenas:1,oversize_threshold:0,background_thread:false,dirty_decay_ms:1000,muzzy_decay_ms:0,thp:never,"           \
    "metadata_thp:disabled"

/* Version 2 keeps what it has been given back for half a second, also when it is told to collect. */
#define MIMALLOC_DELAY "MIMALLOC_DECOMMIT_DELAY"

struct list {
    char **items;
    size_t count;
};

static void add(struct list *list, char *variable)
{
    list->items = xreallocarray(list->items, list->count + 2, sizeof *list->items);
    list->items[list->count++] = variable;
    list->items[list->count] = NULL;
}

static bool is_named(const char *variable, const char *name)
{
    size_t length = strlen(name);
    return strncmp(variable, name, length) == 0 && variable[length] == '=';
}

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_for_supervisor_only(const char *variable)
{
    static const char *const names[] = { "LISTEN_FDS",          "LISTEN_PID",
                                         "LISTEN_FDNAMES",      "NOTIFY_SOCKET",
                                         "WATCHDOG_USEC",       "WATCHDOG_PID",
                                         "SERVER_STARTER_PORT", "SERVER_STARTER_GENERATION" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_named(variable, names[i]))
            return true;
    return begins(variable, OUTER_ENVIRONMENT_PREFIX);
}

/* Read by an allocator when a process starts: too late for it once the mold runs. */
static bool is_for_allocator(const char *name)
{
    return strcmp(name, "GLIBC_TUNABLES") == 0 || begins(name, "MALLOC_") || begins(name, "MIMALLOC_");
}

static const char *value_in(char *const *variables, const char *name)
{
    for (size_t i = 0; variables[i] != NULL; i++)
        if (is_named(variables[i], name))
            return variables[i] + strlen(name) + 1;
    return NULL;
}

/* Gives `name` a value for the mold alone and keeps the old one for what it starts. */
static void replace(struct list *list, char *const *outer, const char *name, char *variable)
{
    const char *before = value_in(outer, name);
    for (size_t i = 0; i < list->count; i++) {
        if (!is_named(list->items[i], name))
            continue;
        free(list->items[i]);
        list->items[i] = list->items[--list->count];
        list->items[list->count] = NULL;
        break;
    }
    add(list, variable);
    char *kept = xasprintf(OUTER_ENVIRONMENT_PREFIX "%s=%s", name, before != NULL ? before : "");
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], kept) != 0)
            continue;
        free(kept);
        return;
    }
    add(list, kept);
}

char **mold_environment(char *const *outer, const struct config_pool *pool, const char *library)
{
    struct list list = { .items = xcalloc(1, sizeof(char *)) };
    for (size_t i = 0; outer[i] != NULL; i++)
        if (!is_for_supervisor_only(outer[i]))
            add(&list, xstrdup(outer[i]));
    for (size_t i = 0; i < pool->env.count; i++) {
        const struct config_pair *pair = &pool->env.items[i];
        if (is_for_allocator(pair->name))
            replace(&list, outer, pair->name, xasprintf("%s=%s", pair->name, pair->value));
    }
    if (library != NULL) {
        const char *before = value_in(outer, "LD_PRELOAD");
        bool set = before != NULL && *before != '\0';
        replace(&list, outer, "LD_PRELOAD", xasprintf("LD_PRELOAD=%s%s%s", library, set ? ":" : "", set ? before : ""));
    }
    if (pool->allocator == ALLOCATOR_GLIBC && value_in(list.items, "GLIBC_TUNABLES") == NULL)
        replace(&list, outer, "GLIBC_TUNABLES", xstrdup("GLIBC_TUNABLES=" GLIBC_SETTINGS));
    if (pool->allocator == ALLOCATOR_JEMALLOC) {
        /* The later of two settings with one name holds. */
        const char *wanted = value_in(list.items, "MALLOC_CONF");
        bool set = wanted != NULL && *wanted != '\0';
        char *variable = xasprintf("MALLOC_CONF=%s%s%s", JEMALLOC_SETTINGS, set ? "," : "", set ? wanted : "");
        replace(&list, outer, "MALLOC_CONF", variable);
    }
    if (pool->allocator == ALLOCATOR_MIMALLOC && value_in(list.items, MIMALLOC_DELAY) == NULL)
        replace(&list, outer, MIMALLOC_DELAY, xstrdup(MIMALLOC_DELAY "=0"));
    return list.items;
}

void mold_environment_free(char **environment)
{
    if (environment == NULL)
        return;
    for (size_t i = 0; environment[i] != NULL; i++)
        free(environment[i]);
    free(environment);
}
