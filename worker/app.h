/*
 * The apps of a pool, loaded in the mold and shared with its workers by fork.
 */
#ifndef COWHERD_APP_H
#define COWHERD_APP_H

#include <stddef.h>
#include <stdint.h>

#include <mruby.h>

#include "config.h"
#include "strbuf.h"
#include "vm.h"

struct app {
    const struct config_app *config;
    uint32_t index; /* in the pool's list, as in the scoreboard */
    struct vm *vm;  /* maybe shared with other apps; NULL when the app has no Rack file */
    mrb_value callable;
    int root_fd; /* O_PATH descriptor of its root: the same directory for as long as this generation lives */
};

struct app_set {
    const struct config_pool *pool;
    struct app *apps;
    size_t count;
    struct vm **vms;
    size_t vm_count;
};

/*
 * Opens the interpreters, loads `preload` files into each, then each app's file with its root as working directory.
 * NULL on the first failure, with `error` saying app, file:line and backtrace.
 */
struct app_set *app_set_load(const struct config_pool *pool, struct strbuf *error);
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

/* In a worker after the fork: reseeds every interpreter. */
void app_set_after_fork(struct app_set *set);

#endif
