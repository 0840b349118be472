#include "bind.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "nearest.h"
#include "xalloc.h"

static void append_path(struct strbuf *out, const struct step *step)
{
    if (step == NULL)
        return;
    append_path(out, step->up);
    if (step->key == NULL)
        strbuf_printf(out, "[%zu]", step->index);
    else
        strbuf_printf(out, "%s%s", step->up == NULL ? "" : ".", step->key);
}

/* "PATH: text"; free(3) it. */
static char *with_path(const struct binder *binder, const char *format, va_list arguments)
{
    struct strbuf out = { 0 };
    append_path(&out, binder->step);
    if (out.length > 0)
        strbuf_puts(&out, ": ");
    char *text;
    if (vasprintf(&text, format, arguments) >= 0) {
        strbuf_puts(&out, text);
        free(text);
    }
    return strbuf_detach(&out);
}

void bind_error(struct binder *binder, struct node *node, const char *format, ...)
{
    if (node->failed)
        return;
    va_list arguments;
    va_start(arguments, format);
    char *text = with_path(binder, format, arguments);
    va_end(arguments);
    diagnostics_error(binder->diagnostics, node->place, "%s", text);
    node->failed = true;
    free(text);
}

/* Not bind_error: several settings can be missing from one section, and what is there is still good. */
static void report_missing(struct binder *binder, const struct setting *setting, const struct node *section)
{
    struct strbuf text = { 0 };
    append_path(&text, binder->step);
    strbuf_printf(&text, ": \"%s\" is missing: expected ", setting->key);
    setting_expected(setting, &text);
    diagnostics_error(binder->diagnostics, section->place, "%s", text.data);
    strbuf_free(&text);
}

void bind_problem(struct binder *binder, struct node *node, const char *problem)
{
    struct strbuf got = { 0 };
    if (node->kind == NODE_LIST)
        strbuf_puts(&got, "a list");
    else if (node->kind == NODE_MAPPING)
        strbuf_puts(&got, "a mapping");
    else if (node->plain && node->text[0] == '\0')
        strbuf_puts(&got, "nothing");
    else
        quote_for_message(&got, node->text);
    bind_error(binder, node, "%s, got %s", problem, got.data);
    strbuf_free(&got);
}

void bind_unexpected(struct binder *binder, const struct setting *setting, struct node *node)
{
    struct strbuf expected = { 0 };
    strbuf_puts(&expected, "expected ");
    setting_expected(setting, &expected);
    bind_problem(binder, node, expected.data);
    strbuf_free(&expected);
}

struct node **bind_items(struct binder *binder, const struct setting *setting, struct node *node, struct node **single,
                         size_t *count)
{
    *single = node;
    *count = 0;
    if (node->kind == NODE_MAPPING) {
        bind_unexpected(binder, setting, node);
        return single;
    }
    if (node->kind == NODE_SCALAR) {
        *count = node_is_null(node) || node->failed ? 0 : 1;
        return single;
    }
    *count = node->count;
    if (node->count > (size_t)setting->max) {
        bind_error(binder, node->items[setting->max], "at most %d entries", (int)setting->max);
        *count = (size_t)setting->max;
    }
    return node->items;
}

static void unknown_key(struct binder *binder, struct node *key, const struct setting *settings, size_t count)
{
    const char *keys[64];
    for (size_t i = 0; i < count; i++)
        keys[i] = settings[i].key;
    const char *meant = nearest(key->text, keys, count);
    struct strbuf text = { 0 };
    strbuf_puts(&text, "unknown key ");
    quote_for_message(&text, key->text);
    if (meant != NULL)
        strbuf_printf(&text, ", did you mean \"%s\"?", meant);
    bind_error(binder, key, "%s", text.data);
    strbuf_free(&text);
}

static void duplicate_key(struct binder *binder, struct node *key, struct place first_place)
{
    struct strbuf text = { 0 };
    quote_for_message(&text, key->text);
    char *first = place_text(first_place);
    bind_error(binder, key, "duplicate key %s, first at %s", text.data, first);
    free(first);
    strbuf_free(&text);
}

static void check_keys(struct binder *binder, const struct node *node, const struct setting *settings, size_t count)
{
    for (size_t i = 0; i < node->count; i++) {
        struct node *key = node->entries[i].key;
        if (node->entries[i].first != NULL) {
            duplicate_key(binder, key, node->entries[i].first->place);
            continue;
        }
        size_t known = 0;
        while (known < count && strcmp(settings[known].key, key->text) != 0)
            known++;
        if (known == count)
            unknown_key(binder, key, settings, count);
    }
}

static void bind_workers(struct binder *binder, const struct setting *setting, struct node *node,
                         struct config_pool *pool)
{
    if (node->kind == NODE_MAPPING) {
        bind_section(binder, SECTION_WORKERS, node, pool);
        if (node_find(node, "min") == NULL)
            pool->workers.min = pool->workers.max;
        return;
    }
    bind_section(binder, SECTION_WORKERS, NULL, pool);
    if (node_is_null(node))
        return;
    struct setting fixed = *setting;
    fixed.type = SETTING_COUNT;
    fixed.default_text = NULL; /* it is there already */
    fixed.offset = offsetof(struct config_pool, workers.max);
    if (node->kind == NODE_LIST)
        bind_unexpected(binder, setting, node);
    else
        bind_scalar(binder, &fixed, node, pool);
    if (!node->failed)
        pool->workers.min = pool->workers.max;
}

/* Items of a list that have to be mappings, each into its own element of *elements. */
static void bind_sections(struct binder *binder, const struct setting *setting, struct node *node, void **elements,
                          size_t size, size_t *element_count)
{
    if (node->kind != NODE_LIST) {
        if (!node_is_null(node))
            bind_unexpected(binder, setting, node);
        return;
    }
    struct node *single;
    size_t count;
    struct node **items = bind_items(binder, setting, node, &single, &count);
    *elements = xcalloc(count ? count : 1, size);
    for (size_t i = 0; i < count; i++) {
        struct step step = { .index = i };
        bind_enter(binder, &step);
        if (items[i]->kind == NODE_MAPPING)
            bind_section(binder, setting->child, items[i], (char *)*elements + size * (*element_count)++);
        else
            bind_problem(binder, items[i], "expected a mapping of settings");
        bind_leave(binder);
    }
}

static void bind_apps(struct binder *binder, const struct setting *setting, struct node *node, struct config_pool *pool)
{
    void *apps = NULL;
    bind_sections(binder, setting, node, &apps, sizeof *pool->apps, &pool->app_count);
    pool->apps = apps;
    for (size_t i = 0; i < pool->app_count; i++)
        pool->apps[i].name = xasprintf("%s%s", pool->apps[i].host, pool->apps[i].path);
}

static void bind_hooks(struct binder *binder, const struct setting *setting, struct node *node, struct config_app *app)
{
    void *hooks = NULL;
    bind_sections(binder, setting, node, &hooks, sizeof *app->hooks, &app->hook_count);
    app->hooks = hooks;
}

static void bind_pool(struct binder *binder, struct node *key, struct node *node, struct config *config)
{
    struct step step = { .key = key->text };
    bind_enter(binder, &step);
    const char *problem = name_check_identifier(key->text);
    if (problem != NULL)
        bind_problem(binder, key, problem);

    config->pools = xreallocarray(config->pools, config->pool_count + 1, sizeof *config->pools);
    struct config_pool *pool = &config->pools[config->pool_count++];
    *pool = (struct config_pool){ .name = xstrdup(key->text) };
    binder->origins = xreallocarray(binder->origins, binder->origin_count + 1, sizeof *binder->origins);
    binder->origins[binder->origin_count++] = (struct pool_origin){ .key = key, .node = node };
    bind_section(binder, SECTION_POOL, node, pool);
    bind_leave(binder);
}

static void bind_pools(struct binder *binder, const struct setting *setting, struct node *node, struct config *config)
{
    if (node->kind != NODE_MAPPING) {
        if (!node_is_null(node))
            bind_unexpected(binder, setting, node);
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        struct node *key = node->entries[i].key;
        const struct node *first = node->entries[i].first;
        for (size_t j = 0; first == NULL && j < binder->origin_count; j++) {
            if (strcmp(binder->origins[j].key->text, key->text) == 0)
                first = binder->origins[j].key;
        }
        if (first != NULL) {
            duplicate_key(binder, key, first->place);
        } else if (config->pool_count == (size_t)setting->max) {
            bind_error(binder, key, "at most %d pools", (int)setting->max);
            return;
        } else {
            bind_pool(binder, key, node->entries[i].value, config);
        }
    }
}

static void bind_optional_section(struct binder *binder, const struct setting *setting, struct node *node, void *base)
{
    bool none = node->kind == NODE_SCALAR && node->plain && strcmp(node->text, "none") == 0;
    if (!none && node->kind != NODE_MAPPING)
        bind_unexpected(binder, setting, node);
    *(bool *)((char *)base + setting->offset) = node->kind == NODE_MAPPING;
    bind_section(binder, setting->child, node->kind == NODE_MAPPING ? node : NULL, base);
}

static void bind_default(struct binder *binder, const struct setting *setting, void *base)
{
    switch (setting->type) {
    case SETTING_WORKERS:
    case SETTING_SECTION:
    case SETTING_OPTIONAL_SECTION: bind_section(binder, setting->child, NULL, base); return;
    case SETTING_PATHS:
    case SETTING_REQUESTS:
    case SETTING_ALLOW:
    case SETTING_LISTEN:
    case SETTING_ENVIRONMENT:
    case SETTING_RLIMITS:
    case SETTING_HOOKS:
    case SETTING_APPS:
    case SETTING_POOLS:
    case SETTING_INCLUDE: return; /* nothing is in them */
    default: bind_scalar_default(setting, base);
    }
}

static void bind_value(struct binder *binder, const struct setting *setting, struct node *node, void *base)
{
    switch (setting->type) {
    case SETTING_SECTION:
        if (node->kind != NODE_MAPPING && !node_is_null(node))
            bind_unexpected(binder, setting, node);
        bind_section(binder, setting->child, node->kind == NODE_MAPPING ? node : NULL, base);
        return;
    case SETTING_OPTIONAL_SECTION: bind_optional_section(binder, setting, node, base); return;
    case SETTING_WORKERS: bind_workers(binder, setting, node, base); return;
    case SETTING_HOOKS: bind_hooks(binder, setting, node, base); return;
    case SETTING_APPS: bind_apps(binder, setting, node, base); return;
    case SETTING_POOLS: bind_pools(binder, setting, node, base); return;
    case SETTING_INCLUDE: return; /* the loader's affair */
    case SETTING_PATHS:
    case SETTING_REQUESTS:
    case SETTING_ALLOW:
    case SETTING_LISTEN:
    case SETTING_ENVIRONMENT:
    case SETTING_RLIMITS: bind_list(binder, setting, node, base); return;
    default: bind_scalar(binder, setting, node, base);
    }
}

static void bind_setting(struct binder *binder, const struct setting *setting, const struct node *section,
                         struct node *node, void *base)
{
    if (node == NULL) {
        if (setting->default_text != NULL)
            bind_default(binder, setting, base);
        else if (section != NULL && setting->type != SETTING_POOLS) /* pools may come from elsewhere */
            report_missing(binder, setting, section);
        return;
    }
    struct step step = { .key = setting->key };
    bind_enter(binder, &step);
    bind_value(binder, setting, node, base);
    bind_leave(binder);
}

void bind_section(struct binder *binder, enum section section, struct node *node, void *base)
{
    size_t count;
    const struct setting *settings = settings_of(section, &count);
    if (node != NULL && node->kind != NODE_MAPPING) {
        bind_problem(binder, node, "expected a mapping of settings");
        return;
    }
    if (node != NULL)
        check_keys(binder, node, settings, count);
    for (size_t i = 0; i < count; i++) {
        bind_setting(binder, &settings[i], node, node_find(node, settings[i].key), base);
        if (section == SECTION_APP && strcmp(settings[i].key, "root") == 0)
            binder->root = ((struct config_app *)base)->root;
    }
}

void bind_included(struct binder *binder, struct node *root, struct config *config)
{
    size_t count;
    const struct setting *settings = settings_of(SECTION_TOP, &count);
    if (root->kind != NODE_MAPPING) {
        if (!node_is_null(root))
            bind_problem(binder, root, "expected a mapping with pools");
        return;
    }
    check_keys(binder, root, settings, count);
    for (size_t i = 0; i < root->count; i++) {
        struct node *key = root->entries[i].key;
        if (strcmp(key->text, "pools") != 0)
            bind_error(binder, key, "\"%s\" belongs in the main file: an included file holds pools alone", key->text);
    }
    for (size_t i = 0; i < count; i++) {
        struct node *node = node_find(root, settings[i].key);
        if (settings[i].type == SETTING_POOLS && node != NULL)
            bind_setting(binder, &settings[i], root, node, config);
    }
}
