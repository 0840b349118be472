#include "hooks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "rack_errors.h"
#include "store.h"
#include "time_out.h"
#include "xalloc.h"

static const char *const event_names[] = {
    [HOOK_PRELOAD] = "preload",
    [HOOK_WORKER_START] = "worker_start",
    [HOOK_WORKER_STOP] = "worker_stop",
    [HOOK_ACCESS] = "access",
    [HOOK_LOG] = "log",
};

/* Loading */

static bool run_preload(const struct app *app, const char *file, struct strbuf *error)
{
    int arena = mrb_gc_arena_save(app->vm->mrb);
    mrb_value result;
    bool loaded = vm_load_file(app->vm, file, mrb_top_self(app->vm->mrb), &result);

    if (!loaded)
        vm_describe_exception(app->vm, result, error);
    mrb_gc_arena_restore(app->vm->mrb, arena);
    return loaded;
}

static bool load_hook(const struct app *app, struct hook *hook, struct strbuf *error)
{
    const struct config_hook *config = hook->config;

    if (config->event == HOOK_PRELOAD)
        return run_preload(app, config->file, error);
    hook->script = script_new(app->vm, config->file, config->cache);
    return !config->cache || script_load(hook->script, error);
}

bool hooks_load(struct app *app, struct strbuf *error)
{
    const struct config_app *config = app->config;

    app->hooks = xcalloc(config->hook_count + 1, sizeof *app->hooks);
    for (size_t i = 0; i < config->hook_count; i++) {
        struct strbuf text = { 0 };

        app->hooks[i].config = &config->hooks[i];
        bool loaded = load_hook(app, &app->hooks[i], &text);
        if (!loaded)
            strbuf_printf(error, "%s hook %s: %s", event_names[config->hooks[i].event], config->hooks[i].file,
                          text.data);
        strbuf_free(&text);
        if (!loaded)
            return false;
    }
    return true;
}

void hooks_free(struct app *app)
{
    if (app->hooks == NULL)
        return;
    for (size_t i = 0; i < app->config->hook_count; i++)
        script_free(app->hooks[i].script);
    free(app->hooks);
    app->hooks = NULL;
}

bool hooks_any(const struct app *app, enum config_hook_event event)
{
    for (size_t i = 0; app->hooks != NULL && i < app->config->hook_count; i++) {
        if (app->hooks[i].config->event == event)
            return true;
    }
    return false;
}

/* A worker's life */

/* What the supervisor says that a worker was at, which has not come up, or not left. */
static void publish(struct slot *slot, uint32_t app, const char *event, const char *file)
{
    atomic_store_explicit(&slot->app, app, memory_order_relaxed);
    snprintf(slot->request, sizeof slot->request, "%s hook %s", event, file);
}

static bool run_script(const struct app *app, struct script *script, int64_t limit_ns, const char *setting,
                       struct strbuf *error)
{
    mrb_state *mrb = app->vm->mrb;
    mrb_value result;

    if (fchdir(app->root_fd) == -1) {
        strbuf_printf(error, "root %s: %s", app->config->root, strerror(errno));
        return false;
    }

    store_select(app);
    int arena = mrb_gc_arena_save(mrb);
    time_out_begin_timed(mrb, limit_ns, setting);
    bool ran = script_run(script, mrb_top_self(mrb), &result);
    time_out_end();
    if (!ran)
        vm_describe_exception(app->vm, result, error);
    rack_errors_flush(app->vm);
    fflush(stdout);
    log_claim_output(app->config->name);
    mrb_gc_arena_restore(mrb, arena);
    return ran;
}

struct life {
    enum config_hook_event event;
    struct slot *slot;
    int64_t deadline_ns;
    const char *setting; /* the limit's name */
};

/* false: a hook has raised, `error` says which and what. */
static bool run_hook(const struct life *life, const struct app *app, const struct hook *hook, struct strbuf *error)
{
    const char *event = event_names[life->event];
    struct strbuf text = { 0 };

    publish(life->slot, app->index, event, hook->config->file);
    bool ran = run_script(app, hook->script, life->deadline_ns - clock_monotonic_ns(), life->setting, &text);
    if (!ran)
        strbuf_printf(error, "%s: %s hook %s: %s", app->config->name, event, hook->config->file, text.data);
    strbuf_free(&text);
    return ran;
}

/* All of them; with `error`, up to the first that raises. */
static bool run_all(const struct life *life, const struct app_set *set, struct strbuf *error)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct app *app = &set->apps[i];
        for (size_t j = 0; app->hooks != NULL && j < app->config->hook_count; j++) {
            struct strbuf text = { 0 };
            if (app->hooks[j].config->event != life->event || run_hook(life, app, &app->hooks[j], &text))
                continue;
            if (error != NULL)
                strbuf_append(error, text.data, text.length);
            else
                log_app(LOG_LEVEL_ERROR, app->config->name, text.data, text.length);
            strbuf_free(&text);
            if (error != NULL)
                return false;
        }
    }
    life->slot->request[0] = '\0';
    return true;
}

bool hooks_start(const struct app_set *set, struct slot *slot, int64_t limit_ns, struct strbuf *error)
{
    struct life life = {
        .event = HOOK_WORKER_START,
        .slot = slot,
        .deadline_ns = clock_monotonic_ns() + limit_ns,
        .setting = "restart.ready_timeout",
    };

    return run_all(&life, set, error);
}

void hooks_stop(const struct app_set *set, struct slot *slot, int64_t limit_ns)
{
    struct life life = {
        .event = HOOK_WORKER_STOP,
        .slot = slot,
        .deadline_ns = clock_monotonic_ns() + limit_ns,
        .setting = "restart.drain_timeout",
    };

    run_all(&life, set, NULL);
}
