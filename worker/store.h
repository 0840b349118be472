/*
 * The stores that apps share with the other workers: which app has which. What they are says <mruby/shared_store.h>.
 */
#ifndef COWHERD_STORE_H
#define COWHERD_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "app.h"
#include "config.h"
#include "strbuf.h"

/*
 * Once in a process, before an app is loaded. `descriptors`: two for each app of the pool that has its store in memory,
 * in the order of the apps; they stay open. false, with `error`, when a store can't be opened.
 */
bool store_prepare(const struct config_pool *pool, const int *descriptors, size_t count, struct strbuf *error);

/* Makes the app's store what Cowherd.store is in its interpreter, and app->store: nil for an app without one. */
bool store_attach(struct app *app, struct strbuf *error);

/* The app is at work from now on: Cowherd.store is its own. */
void store_select(const struct app *app);

#endif
