#include "bind.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "nearest.h"
#include "values.h"
#include "xalloc.h"

/* One item of a list of strings; the result is the caller's, NULL after an error. */
static char *read_string(struct binder *binder, enum setting_type type, struct node *node)
{
    static const char *const expected[] = {
        [SETTING_PATHS] = "expected a path",
        [SETTING_REQUESTS] = "expected the path of a request",
        [SETTING_ALLOW] = "expected an address or a prefix",
    };
    const char *problem = NULL;
    char *result = NULL;
    if (node->failed)
        return NULL;
    if (node->kind != NODE_SCALAR || node_is_null(node)) {
        problem = expected[type];
    } else if (type == SETTING_ALLOW) {
        problem = name_parse_prefix(node->text, &result);
    } else if (type == SETTING_REQUESTS) {
        problem = name_check_request(node->text);
        result = problem == NULL ? xstrdup(node->text) : NULL;
    } else if (node->text[0] == '\0') {
        problem = expected[type];
    } else {
        result = value_path(node->place.source->directory, node->text);
        if (strlen(result) >= PATH_MAX) {
            problem = "expected a path of at most 4095 bytes";
            free(result);
            result = NULL;
        }
    }
    if (problem != NULL)
        bind_problem(binder, node, problem);
    return result;
}

static void bind_strings(struct binder *binder, enum setting_type type, struct node **items, size_t count,
                         struct config_strings *strings)
{
    strings->items = xcalloc(count ? count : 1, sizeof *strings->items);
    for (size_t i = 0; i < count; i++) {
        char *string = read_string(binder, type, items[i]);
        if (string != NULL)
            strings->items[strings->count++] = string;
    }
}

static void bind_listen(struct binder *binder, struct node **items, size_t count, struct config_pool *pool)
{
    pool->listen = xcalloc(count ? count : 1, sizeof *pool->listen);
    for (size_t i = 0; i < count; i++) {
        struct node *node = items[i];
        if (node->kind != NODE_SCALAR || node_is_null(node)) {
            bind_problem(binder, node, "expected an address to listen on");
            continue;
        }
        if (node->failed)
            continue;
        struct config_listen *listen = &pool->listen[pool->listen_count];
        const char *problem = name_parse_listen(node->text, node->place.source->directory, listen);
        if (problem != NULL) {
            bind_problem(binder, node, problem);
            continue;
        }
        pool->listen_count++;
    }
}

/* Calls `read` for each entry of a mapping that is no duplicate, with the key as the step. */
static void
each_entry(struct binder *binder, const struct setting *setting, struct node *node, struct config_pool *pool,
           void (*read)(struct binder *binder, struct node *key, struct node *value, struct config_pool *pool))
{
    if (node->count > (size_t)setting->max) {
        bind_error(binder, node->entries[setting->max].key, "at most %d entries", (int)setting->max);
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        struct node_entry *entry = &node->entries[i];
        struct step step = { .key = entry->key->text };
        if (entry->first != NULL) {
            char *first = place_text(entry->first->place);
            bind_error(binder, entry->key, "duplicate key \"%s\", first at %s", entry->key->text, first);
            free(first);
            continue;
        }
        bind_enter(binder, &step);
        read(binder, entry->key, entry->value, pool);
        bind_leave(binder);
    }
}

static void read_variable(struct binder *binder, struct node *key, struct node *value, struct config_pool *pool)
{
    const char *problem = name_check_variable(key->text);
    if (problem != NULL)
        bind_problem(binder, key, problem);
    if (value->kind != NODE_SCALAR)
        bind_problem(binder, value, "expected the text of a variable");
    if (key->failed || value->failed)
        return;
    pool->env.items[pool->env.count++] =
        (struct config_pair){ .name = xstrdup(key->text), .value = xstrdup(value->text) };
}

static void unknown_limit(struct binder *binder, struct node *key)
{
    const char *names[32];
    size_t count;
    const struct rlimit_kind *kinds = rlimit_kinds(&count);
    struct strbuf text = { 0 };
    for (size_t i = 0; i < count; i++) {
        names[i] = kinds[i].name;
        strbuf_printf(&text, "%s%s", i == 0 ? "" : i + 1 == count ? " or " : ", ", kinds[i].name);
    }
    const char *meant = nearest(key->text, names, count);
    if (meant != NULL)
        strbuf_printf(&text, "; did you mean \"%s\"?", meant);
    bind_error(binder, key, "unknown limit, expected %s", text.data);
    strbuf_free(&text);
}

static void read_limit(struct binder *binder, struct node *key, struct node *value, struct config_pool *pool)
{
    const struct rlimit_kind *kind = rlimit_kind_find(key->text);
    if (kind == NULL) {
        unknown_limit(binder, key);
        return;
    }
    int64_t number = -1;
    if (value->kind != NODE_SCALAR || node_is_null(value) ||
        (strcmp(value->text, "unlimited") != 0 &&
         ((kind->bytes ? value_size(value->text, &number) : value_integer(value->text, &number)) != VALUE_OK ||
          number < 0))) {
        bind_problem(binder, value,
                     kind->bytes ? "expected a size such as 512MiB, or unlimited"
                                 : "expected a whole number, or unlimited");
    }
    if (!value->failed)
        pool->rlimits[pool->rlimit_count++] = (struct config_rlimit){ .name = xstrdup(kind->name), .value = number };
}

static void bind_entries(struct binder *binder, const struct setting *setting, struct node *node,
                         struct config_pool *pool)
{
    if (node->kind != NODE_MAPPING) {
        if (!node_is_null(node))
            bind_unexpected(binder, setting, node);
        return;
    }
    if (setting->type == SETTING_ENVIRONMENT) {
        pool->env.items = xcalloc(node->count ? node->count : 1, sizeof *pool->env.items);
        each_entry(binder, setting, node, pool, read_variable);
    } else {
        pool->rlimits = xcalloc(node->count ? node->count : 1, sizeof *pool->rlimits);
        each_entry(binder, setting, node, pool, read_limit);
    }
}

void bind_list(struct binder *binder, const struct setting *setting, struct node *node, void *base)
{
    if (setting->type == SETTING_ENVIRONMENT || setting->type == SETTING_RLIMITS) {
        bind_entries(binder, setting, node, base);
        return;
    }
    struct node *single;
    size_t count;
    struct node **items = bind_items(binder, setting, node, &single, &count);
    if (setting->type == SETTING_LISTEN)
        bind_listen(binder, items, count, base);
    else
        bind_strings(binder, setting->type, items, count, (struct config_strings *)((char *)base + setting->offset));
}
