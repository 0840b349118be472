/*
 * The apps of a pool, loaded in the mold and shared with its workers by fork.
 */
#ifndef COWHERD_APP_H
#define COWHERD_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mruby.h>

#include "config.h"
#include "scripts.h"
#include "strbuf.h"
#include "vm.h"

struct app {
    const struct config_app *config;
    uint32_t index;          /* in the pool's list, as in the scoreboard */
    struct vm *vm;           /* maybe shared with other apps; NULL when the app has nothing that runs */
    mrb_value callable;      /* of its Rack file, or nil */
    mrb_value store;         /* store_attach's */
    struct scripts *scripts; /* or NULL */
    const char *chroot;      /* of its pool: paths here are relative to it; NULL: none */
    struct hook *hooks;      /* as many as the configuration has, in its order (hooks.h); NULL: none is loaded */
    int root_fd; /* O_PATH descriptor of its root: the same directory for as long as this generation lives */
};

struct app_set {
    const struct config_pool *pool;
    struct app *apps;
    size_t count;
    struct vm **vms;
    size_t vm_count;
};

/* Told of each app, in turn, while a set is loaded. */
struct app_watch {
    void (*starts)(const struct app_set *set, const struct app *app);
    /* false, with `error` filled: the app has done what it must not do, and counts as one that failed. */
    bool (*loaded)(const struct app *app, struct strbuf *error);
    /* Loading ends here; nothing has been freed yet. */
    void (*failed)(const char *error);
};

/*
 * Opens the interpreters, loads `preload` files into each, then each app's hooks for that and its file or scripts with
 * its root as working directory.
 * NULL on the first failure, with `error` saying app, file:line and backtrace. `watch` may be NULL.
 */
struct app_set *app_set_load(const struct config_pool *pool, const struct app_watch *watch, struct strbuf *error);

/* The interpreter that is busy with an app that is being loaded; NULL: none is open yet. */
struct vm *app_set_loading_vm(const struct app_set *set, const struct app *app);
void app_set_free(struct app_set *set);

/*
 * Freezes all interpreters of the set and the region that they live in (heap.h); heap_prove_barriers was asked before.
 * 0, or -1 with errno.
 */
int app_set_freeze(struct app_set *set);

/* The objects of the permanent generation, all interpreters together. */
size_t app_set_frozen_objects(const struct app_set *set);

/* Compiles every file that the pool's apps name, without running any. Number of errors, one line each in `errors`. */
size_t app_set_check(const struct config_pool *pool, struct strbuf *errors);

/* In a worker after the fork: reseeds every interpreter, and begins to count its new symbols. */
void app_set_after_fork(struct app_set *set);

#endif
