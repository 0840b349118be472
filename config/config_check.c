#include "config_check.h"

#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "values.h"
#include "xalloc.h"

/* What a following default is longer by. */
#define MARGIN_NS (INT64_C(5) * 1000000000)

/* An address that is taken, and by whom. */
struct claim {
    const char *address;
    const char *pool; /* NULL: one of the supervisor's own */
    const char *key;
    struct place place;
};

struct claims {
    struct claim *items;
    size_t count;
};

static bool usable(const struct node *node)
{
    return node != NULL && !node->failed;
}

static int64_t longer(int64_t a, int64_t b)
{
    int64_t result = a > b ? a : b;
    return result < VALUE_DURATION_MAX ? result : VALUE_DURATION_MAX;
}

static void too_short(struct binder *binder, const struct config_pool *pool, const char *key, struct node *node,
                      const char *other, int64_t least)
{
    struct strbuf text = { 0 };
    value_print_duration(&text, least);
    diagnostics_error(binder->diagnostics, node->place,
                      "pools.%s.%s: expected no less than %s, which is %s, got \"%s\"", pool->name, key, other,
                      text.data, node->text);
    node->failed = true;
    strbuf_free(&text);
}

/* request <= hard <= drain_timeout, 0 standing for "never" in the first two. What is not given gives way. */
static void settle_times(struct binder *binder, struct config_pool *pool, const struct node *node)
{
    const struct node *timeouts = node_find(node, "timeouts");
    struct node *request = node_find(timeouts, "request"), *hard = node_find(timeouts, "hard");
    struct node *drain = node_find(node_find(node, "restart"), "drain_timeout");
    int64_t *request_ns = &pool->timeouts.request_ns, *hard_ns = &pool->timeouts.hard_ns;
    int64_t *drain_ns = &pool->restart.drain_timeout_ns;

    if (usable(request) && hard == NULL && *request_ns > *hard_ns - MARGIN_NS)
        *hard_ns = longer(*hard_ns, *request_ns + MARGIN_NS);
    else if (usable(hard) && request == NULL && *hard_ns != 0 && *hard_ns < *request_ns)
        *request_ns = *hard_ns;
    else if (usable(hard) && usable(request) && *hard_ns != 0 && *hard_ns < *request_ns)
        too_short(binder, pool, "timeouts.hard", hard, "timeouts.request", *request_ns);

    if (drain == NULL && *hard_ns > *drain_ns - MARGIN_NS)
        *drain_ns = longer(*drain_ns, *hard_ns + MARGIN_NS);
    else if (usable(drain) && (hard == NULL || usable(hard)) && *drain_ns < *hard_ns)
        too_short(binder, pool, "restart.drain_timeout", drain, "timeouts.hard", *hard_ns);
}

static void check_workers(struct binder *binder, const struct config_pool *pool, const struct node *node)
{
    const struct config_workers *workers = &pool->workers;
    struct node *mapping = node_find(node, "workers");
    struct node *min = node_find(mapping, "min"), *max = node_find(mapping, "max"),
                *spare = node_find(mapping, "spare");
    bool max_known = max == NULL || usable(max);

    if (usable(min) && max_known && workers->min > workers->max) {
        diagnostics_error(binder->diagnostics, min->place,
                          "pools.%s.workers.min: expected no more than max, which is %u, "
                          "got %u",
                          pool->name, workers->max, workers->min);
        return;
    }
    if (usable(spare) && max_known && workers->spare > workers->max) {
        diagnostics_error(binder->diagnostics, spare->place,
                          "pools.%s.workers.spare: expected no more than max, which "
                          "is %u, got %u",
                          pool->name, workers->max, workers->spare);
    }
}

/* Reports an address that somebody else has. */
static void claim(struct binder *binder, struct claims *claims, struct claim wanted)
{
    for (size_t i = 0; i < claims->count; i++) {
        const struct claim *other = &claims->items[i];
        if (strcmp(other->address, wanted.address) != 0)
            continue;
        char *place = place_text(other->place);
        diagnostics_error(binder->diagnostics, wanted.place, "%s%s%s%s: %s is taken: %s%s%s%s at %s has it",
                          wanted.pool ? "pools." : "", wanted.pool ? wanted.pool : "", wanted.pool ? "." : "",
                          wanted.key, wanted.address, other->pool ? "pools." : "", other->pool ? other->pool : "",
                          other->pool ? "." : "", other->key, place);
        free(place);
        return;
    }
    claims->items = xreallocarray(claims->items, claims->count + 1, sizeof *claims->items);
    claims->items[claims->count++] = wanted;
}

/* Whether socket.allow names anybody; so it does when it tries to. */
static bool is_restricted(const struct config_pool *pool, const struct node *node)
{
    const struct node *allow = node_find(node_find(node, "socket"), "allow");
    return pool->socket.allow.count > 0 || (allow != NULL && (allow->failed || allow->count > 0));
}

static void check_listener(struct binder *binder, struct claims *claims, const struct config_pool *pool,
                           const struct node *pool_node, const struct node *node, const struct config_listen *listen)
{
    claim(binder, claims,
          (struct claim){ .address = listen->address, .pool = pool->name, .key = "listen", .place = node->place });
    if (listen->type == LISTEN_TCP && !listen_is_loopback(listen) && !is_restricted(pool, pool_node))
        diagnostics_error(binder->diagnostics, node->place,
                          "pools.%s.listen: other machines can reach %s: socket.allow "
                          "has to say which of them may",
                          pool->name, listen->address);
}

static void check_listeners(struct binder *binder, struct claims *claims, const struct config_pool *pool,
                            const struct node *pool_node)
{
    const struct node *node = node_find(pool_node, "listen");
    if (node == NULL || node->kind == NODE_MAPPING)
        return;
    size_t count = node->kind == NODE_LIST ? node->count : 1;
    if (!node->failed && (count == 0 || node_is_null(node))) {
        diagnostics_error(binder->diagnostics, node->place,
                          "pools.%s.listen: expected an address to listen on, got none", pool->name);
        return;
    }
    /* the structures are the nodes without the failed ones */
    for (size_t i = 0, found = 0; i < count && found < pool->listen_count; i++) {
        const struct node *item = node->kind == NODE_LIST ? node->items[i] : node;
        if (!item->failed)
            check_listener(binder, claims, pool, pool_node, item, &pool->listen[found++]);
    }
}

/* An app with its place in the list, which counts items that are no apps, too. */
struct listed_app {
    const struct config_app *app;
    const struct node *node;
    size_t index;
};

static void check_app(struct binder *binder, const struct config_pool *pool, const struct listed_app *listed)
{
    const struct config_app *app = listed->app;
    const struct node *rack = node_find(listed->node, "rack"), *scripts = node_find(listed->node, "scripts"),
                      *hooks = node_find(listed->node, "hooks");
    bool answers = app->rack != NULL || app->scripts.enabled || (rack != NULL && rack->failed) ||
                   (scripts != NULL && scripts->failed) || (hooks != NULL && hooks->failed);
    for (size_t i = 0; i < app->hook_count; i++)
        answers = answers || app->hooks[i].event == HOOK_ACCESS;
    if (!answers)
        diagnostics_error(binder->diagnostics, listed->node->place,
                          "pools.%s.apps[%zu]: nothing answers: expected rack, scripts or a hook for access",
                          pool->name, listed->index);
    if (app->rack != NULL && app->scripts.enabled)
        diagnostics_error(binder->diagnostics, scripts->place,
                          "pools.%s.apps[%zu].scripts: the app has rack already: make it two apps with paths of their "
                          "own",
                          pool->name, listed->index);
}

static bool both_or_none(const char *one, const char *other)
{
    return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

/* One store has one name, one place and one size. */
static void check_store(struct binder *binder, const struct config_pool *pool, const struct listed_app *apps, size_t i)
{
    const struct config_app *app = apps[i].app;
    const struct node *node = node_find(apps[i].node, "store");
    for (size_t j = 0; j < i && app->store.enabled && node != NULL; j++) {
        const struct config_app *other = apps[j].app;
        bool names = both_or_none(app->store.name, other->store.name);
        bool files = both_or_none(app->store.file, other->store.file);
        bool shared = (names && app->store.name != NULL) || (files && app->store.file != NULL);
        if (!other->store.enabled || !shared || (names && files && app->store.size == other->store.size))
            continue;
        char *first = place_text(apps[j].node->place);
        diagnostics_error(binder->diagnostics, node->place,
                          "pools.%s.apps[%zu].store: expected the same name, file and size as the app at %s has, whose "
                          "store it is, too",
                          pool->name, apps[i].index, first);
        free(first);
        return;
    }
}

/* Reports an app that none of its requests would reach, because an earlier one has its name. */
static void check_app_name(struct binder *binder, const struct config_pool *pool, const struct listed_app *apps,
                           size_t i)
{
    const struct node *host = node_find(apps[i].node, "host"), *path = node_find(apps[i].node, "path");
    if ((host != NULL && host->failed) || (path != NULL && path->failed))
        return;
    for (size_t j = 0; j < i; j++) {
        if (strcmp(apps[i].app->name, apps[j].app->name) != 0)
            continue;
        char *first = place_text(apps[j].node->place);
        diagnostics_error(binder->diagnostics, host != NULL ? host->place : apps[i].node->place,
                          "pools.%s.apps[%zu]: %s is taken by the app at %s", pool->name, apps[i].index,
                          apps[i].app->name, first);
        free(first);
        return;
    }
}

/* "/" of the front end is where requests come to the app: it would be asked for its own file. */
static void check_sendfile(struct binder *binder, const struct config_pool *pool, const struct listed_app *listed)
{
    const struct node *sendfile = node_find(listed->node, "sendfile");
    const struct node *to = sendfile != NULL && sendfile->kind == NODE_MAPPING ? node_find(sendfile, "to") : NULL;

    if (usable(to) && listed->app->sendfile.to != NULL && strcmp(listed->app->sendfile.to, "/") == 0)
        diagnostics_error(binder->diagnostics, to->place,
                          "pools.%s.apps[%zu].sendfile.to: expected a path below /, got \"%s\"", pool->name,
                          listed->index, to->text);
}

static void check_apps(struct binder *binder, const struct config_pool *pool, const struct node *pool_node)
{
    const struct node *list = node_find(pool_node, "apps");
    if (list == NULL || list->failed || (list->kind == NODE_SCALAR && !node_is_null(list)))
        return;
    if (list->kind != NODE_LIST || list->count == 0) {
        diagnostics_error(binder->diagnostics, list->place, "pools.%s.apps: expected an app, got none", pool->name);
        return;
    }
    struct listed_app *apps = xcalloc(list->count, sizeof *apps);
    size_t count = 0;
    for (size_t i = 0; i < list->count && count < pool->app_count; i++) {
        if (list->items[i]->kind != NODE_MAPPING)
            continue;
        apps[count] = (struct listed_app){ .app = &pool->apps[count], .node = list->items[i], .index = i };
        count++;
    }
    for (size_t i = 0; i < count; i++) {
        check_app(binder, pool, &apps[i]);
        check_app_name(binder, pool, apps, i);
        check_sendfile(binder, pool, &apps[i]);
        check_store(binder, pool, apps, i);
    }
    free(apps);
}

/* Whether the machine has it is found out later. */
static void note_allocator(struct config_pool *pool, const struct node *pool_node)
{
    const struct node *node = node_find(pool_node, "allocator");
    if (usable(node))
        pool->allocator_place = place_text(node->place);
}

static bool is_below(const char *path, const char *directory)
{
    size_t length = strlen(directory);
    while (length > 0 && directory[length - 1] == '/')
        length--;
    return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* What is loaded, as the workers see it, has no other root. */
static void check_chroot(struct binder *binder, const struct config_pool *pool, const struct node *pool_node)
{
    struct node *node = node_find(pool_node, "chroot");
    const char *outside = NULL;
    if (!usable(node) || pool->chroot == NULL)
        return;
    for (size_t i = 0; i < pool->preload.count && outside == NULL; i++)
        if (!is_below(pool->preload.items[i], pool->chroot))
            outside = pool->preload.items[i];
    for (size_t i = 0; i < pool->app_count && outside == NULL; i++) {
        const struct config_app *app = &pool->apps[i];
        const char *paths[] = { app->root, app->rack, app->sendfile.from, app->store.file };
        for (size_t j = 0; j < sizeof paths / sizeof *paths && outside == NULL; j++)
            if (paths[j] != NULL && !is_below(paths[j], pool->chroot))
                outside = paths[j];
        for (size_t j = 0; j < app->hook_count && outside == NULL; j++)
            if (app->hooks[j].file != NULL && !is_below(app->hooks[j].file, pool->chroot))
                outside = app->hooks[j].file;
    }
    if (outside != NULL)
        diagnostics_error(binder->diagnostics, node->place,
                          "pools.%s.chroot: expected a directory that holds all that the pool loads, got \"%s\", which "
                          "%s is not in",
                          pool->name, node->text, outside);
}

static void claim_own(struct binder *binder, struct claims *claims, const char *key, const char *address,
                      const struct node *node, const struct node *root)
{
    if (address != NULL && (node == NULL || usable(node)))
        claim(binder, claims,
              (struct claim){ .address = address, .key = key, .place = node != NULL ? node->place : root->place });
}

void config_check(struct binder *binder, const struct node *main_root, struct config *config)
{
    struct claims claims = { 0 };
    claim_own(binder, &claims, "control", config->control, node_find(main_root, "control"), main_root);
    claim_own(binder, &claims, "status.listen", config->status_listen,
              node_find(node_find(main_root, "status"), "listen"), main_root);
    for (size_t i = 0; i < config->pool_count; i++) {
        const struct node *node = binder->origins[i].node;
        if (node->kind != NODE_MAPPING)
            continue;
        settle_times(binder, &config->pools[i], node);
        check_workers(binder, &config->pools[i], node);
        check_listeners(binder, &claims, &config->pools[i], node);
        check_apps(binder, &config->pools[i], node);
        check_chroot(binder, &config->pools[i], node);
        note_allocator(&config->pools[i], node);
        config->pools[i].place = place_text(binder->origins[i].key->place);
    }
    free(claims.items);
}
