/*
 * The hooks of an app: Ruby files that run at certain events, in the app's interpreter, with its root as working
 * directory. Several of one event run in the order of the configuration. Here are those of a process's life; those of
 * a request are in rack_hooks.h.
 */
#ifndef COWHERD_HOOKS_H
#define COWHERD_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "app.h"
#include "scoreboard.h"
#include "script.h"
#include "strbuf.h"

struct hook {
    const struct config_hook *config;
    struct script *script; /* NULL: of a preload hook, which has run */
};

/*
 * In the mold, before the app's own file is loaded: runs the preload hooks, and compiles those of the others that have
 * `cache`. The working directory is the app's root. false: `error` says file:line and backtrace.
 */
bool hooks_load(struct app *app, struct strbuf *error);
void hooks_free(struct app *app);

/* The app has a hook of this event. */
bool hooks_any(const struct app *app, enum config_hook_event event);

/*
 * In a worker that has just been forked: runs the worker_start hooks of all apps, app after app. The slot says which is
 * at work. Whoever still runs after `limit_ns` gets an exception. false: the worker can't serve; `error` says why.
 */
bool hooks_start(const struct app_set *set, struct slot *slot, int64_t limit_ns, struct strbuf *error);

/* In a worker that leaves: its worker_stop hooks, likewise. What they raise is logged, and the next one runs. */
void hooks_stop(const struct app_set *set, struct slot *slot, int64_t limit_ns);

#endif
