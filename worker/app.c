#include "app.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mruby/shared_store.h>

#include "heap.h"
#include "hooks.h"
#include "log.h"
#include "rack.h"
#include "store.h"
#include "xalloc.h"

/* Loads the pool's preload files into a new interpreter. */
static bool preload(const struct config_pool *pool, struct vm *vm, struct strbuf *error)
{
    for (size_t i = 0; i < pool->preload.count; i++) {
        int arena = mrb_gc_arena_save(vm->mrb);
        mrb_value result;
        bool loaded = vm_require_file(vm, pool->preload.items[i], &result);

        if (!loaded) {
            strbuf_printf(error, "%s: preload %s: ", vm->name, pool->preload.items[i]);
            vm_describe_exception(vm, result, error);
        }
        mrb_gc_arena_restore(vm->mrb, arena);
        if (!loaded)
            return false;
    }
    return true;
}

static struct vm *open_vm(struct app_set *set, const char *name, struct strbuf *error)
{
    struct vm *vm = vm_open(name);

    if (vm == NULL) {
        strbuf_printf(error, "%s: the interpreter could not be opened", name);
        return NULL;
    }
    set->vms[set->vm_count++] = vm;
    rack_define(vm);
    return preload(set->pool, vm, error) ? vm : NULL;
}

/* The interpreter that an earlier app of the same `interpreter:` has, or a new one. */
static struct vm *vm_for(struct app_set *set, const struct app *app, struct strbuf *error)
{
    const char *shared = app->config->interpreter;

    if (shared == NULL)
        return open_vm(set, app->config->name, error);
    for (const struct app *earlier = set->apps; earlier < app; earlier++) {
        if (earlier->vm != NULL && earlier->config->interpreter != NULL &&
            strcmp(earlier->config->interpreter, shared) == 0)
            return earlier->vm;
    }
    return open_vm(set, shared, error);
}

struct vm *app_set_loading_vm(const struct app_set *set, const struct app *app)
{
    if (app->vm != NULL)
        return app->vm;
    return set->vm_count > 0 ? set->vms[set->vm_count - 1] : NULL;
}

static bool load_app(struct app_set *set, struct app *app, const struct app_watch *watch, struct strbuf *error)
{
    struct strbuf description = { 0 };

    app->root_fd = open(app->config->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (app->root_fd == -1 || fchdir(app->root_fd) == -1) {
        strbuf_printf(error, "%s: root %s: %s%s", app->config->name, app->config->root, strerror(errno),
                      errno == EACCES ? " (the pool's user may not enter it)" : "");
        return false;
    }
    if (app->config->rack == NULL && !app->config->scripts.enabled && app->config->hook_count == 0)
        return true;
    if (watch != NULL)
        watch->starts(set, app);
    app->vm = vm_for(set, app, error);
    if (app->vm == NULL)
        return false;
    if (app->config->scripts.enabled)
        app->scripts = scripts_new(app->vm, app->config, app->root_fd);
    bool loaded = store_attach(app, &description);
    if (loaded) {
        store_select(app);
        loaded = hooks_load(app, &description) &&
                 (app->config->rack == NULL || rack_load(app->vm, app->config->rack, &app->callable, &description)) &&
                 (app->scripts == NULL || scripts_load(app->scripts, &description));
        shared_store_close_all();
    }
    loaded = loaded && (watch == NULL || watch->loaded(app, &description));
    if (!loaded)
        strbuf_printf(error, "%s: %s", app->config->name, description.data);
    strbuf_free(&description);
    return loaded;
}

struct app_set *app_set_load(const struct config_pool *pool, const struct app_watch *watch, struct strbuf *error)
{
    struct app_set *set = xcalloc(1, sizeof *set);
    int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool loaded = true;

    set->pool = pool;
    set->count = pool->app_count;
    set->apps = xcalloc(set->count, sizeof *set->apps);
    set->vms = xcalloc(set->count, sizeof *set->vms);
    for (size_t i = 0; i < set->count; i++) {
        set->apps[i] = (struct app){
            .config = &pool->apps[i],
            .index = (uint32_t)i,
            .callable = mrb_nil_value(),
            .chroot = pool->chroot,
            .store = mrb_nil_value(),
            .root_fd = -1,
        };
    }
    for (size_t i = 0; i < set->count && loaded; i++)
        loaded = load_app(set, &set->apps[i], watch, error);
    if (before != -1) {
        if (fchdir(before) == -1)
            log_warn("cannot return to the directory from before loading");
        close(before);
    }
    if (loaded)
        return set;
    if (watch != NULL)
        watch->failed(error->data);
    app_set_free(set);
    return NULL;
}

int app_set_freeze(struct app_set *set)
{
    mrb_state **interpreters = xcalloc(set->vm_count + 1, sizeof *interpreters);

    for (size_t i = 0; i < set->vm_count; i++) {
        rack_forget_match(set->vms[i]);
        interpreters[i] = set->vms[i]->mrb;
    }
    int result = heap_freeze(interpreters, set->vm_count);
    int error = errno;
    free(interpreters);
    errno = error;
    return result;
}

size_t app_set_frozen_objects(const struct app_set *set)
{
    size_t count = 0;

    for (size_t i = 0; i < set->vm_count; i++)
        count += heap_of(set->vms[i]->mrb)->frozen_objects;
    return count;
}

void app_set_free(struct app_set *set)
{
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->count; i++) {
        scripts_free(set->apps[i].scripts);
        hooks_free(&set->apps[i]);
    }
    for (size_t i = 0; i < set->vm_count; i++)
        vm_close(set->vms[i]);
    for (size_t i = 0; i < set->count; i++) {
        if (set->apps[i].root_fd != -1)
            close(set->apps[i].root_fd);
    }
    free(set->vms);
    free(set->apps);
    free(set);
}

/* A file that several apps name is compiled once. */
struct checklist {
    const char **paths;
    size_t count;
};

static void checklist_add(struct checklist *list, const char *path)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->paths[i], path) == 0)
            return;
    }
    list->paths = xreallocarray(list->paths, list->count + 1, sizeof *list->paths);
    list->paths[list->count++] = path;
}

size_t app_set_check(const struct config_pool *pool, struct strbuf *errors)
{
    struct checklist list = { 0 };
    size_t lines = 0;
    size_t start = errors->length;

    for (size_t i = 0; i < pool->preload.count; i++)
        checklist_add(&list, pool->preload.items[i]);
    for (size_t i = 0; i < pool->app_count; i++) {
        const struct config_app *app = &pool->apps[i];
        if (app->rack != NULL)
            checklist_add(&list, app->rack);
        for (size_t j = 0; j < app->hook_count; j++)
            checklist_add(&list, app->hooks[j].file);
    }
    for (size_t i = 0; i < list.count; i++)
        vm_check_file(list.paths[i], errors);
    for (size_t i = 0; i < pool->app_count; i++)
        if (pool->apps[i].scripts.enabled)
            scripts_check(&pool->apps[i], errors);
    free(list.paths);
    for (size_t i = start; i < errors->length; i++)
        lines += errors->data[i] == '\n';
    return lines;
}

void app_set_after_fork(struct app_set *set)
{
    for (size_t i = 0; i < set->vm_count; i++) {
        vm_reseed(set->vms[i]);
        vm_new_symbols(set->vms[i]);
    }
}
