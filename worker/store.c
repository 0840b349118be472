#include "store.h"

#include <stdlib.h>
#include <string.h>

#include <mruby/class.h>
#include <mruby/shared_store.h>

#include "vm.h"
#include "xalloc.h"

/* In the order of the pool's apps; NULL for one without a store. */
static struct shared_store **stores;

static struct shared_store *shared_with(const struct config_pool *pool, const int *pair, const int *descriptors,
                                        size_t before)
{
    const int *at = descriptors;

    for (size_t i = 0; i < before; i++) {
        if (!pool->apps[i].store.enabled || pool->apps[i].store.file != NULL)
            continue;
        if (at[0] == pair[0])
            return stores[i];
        at += 2;
    }
    return NULL;
}

bool store_prepare(const struct config_pool *pool, const int *descriptors, size_t count, struct strbuf *error)
{
    const int *pair = descriptors;

    stores = xcalloc(pool->app_count, sizeof(struct shared_store *));
    for (size_t i = 0; i < pool->app_count; i++) {
        const struct config_app *app = &pool->apps[i];
        if (!app->store.enabled)
            continue;
        if (app->store.file != NULL) {
            stores[i] = shared_store_of_file(app->store.file, app->store.size);
        } else if (pair + 2 <= descriptors + count) {
            stores[i] = shared_with(pool, pair, descriptors, i);
            if (stores[i] == NULL)
                stores[i] = shared_store_of_memory(pair[0], pair[1], app->store.size);
            pair += 2;
        }
        const char *problem = stores[i] != NULL ? shared_store_open(stores[i]) : "there is no memory for it";
        if (problem != NULL) {
            strbuf_printf(error, "%s: store: %s", app->name, problem);
            return false;
        }
    }
    shared_store_close_all();
    return true;
}

static mrb_value get_store(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return mrb_funcall(mrb, mrb_obj_value(mrb_class_get(mrb, "SharedStore")), "default", 0);
}

static mrb_value define(mrb_state *mrb, void *data)
{
    struct shared_store *store = data;

    mrb_define_module_function(mrb, mrb_define_module(mrb, "Cowherd"), "store", get_store, MRB_ARGS_NONE());
    if (store == NULL)
        return mrb_nil_value();
    mrb_value object = mrb_shared_store_object(mrb, store);
    mrb_gc_register(mrb, object);
    return object;
}

bool store_attach(struct app *app, struct strbuf *error)
{
    mrb_state *mrb = app->vm->mrb;
    int arena = mrb_gc_arena_save(mrb);
    bool defined = vm_call(app->vm, define, stores != NULL ? stores[app->index] : NULL, &app->store);

    if (!defined) {
        vm_describe_exception(app->vm, app->store, error);
        app->store = mrb_nil_value();
    }
    mrb_gc_arena_restore(mrb, arena);
    return defined;
}

void store_select(const struct app *app)
{
    mrb_shared_store_select(app->vm->mrb, app->store);
}
