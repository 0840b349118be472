#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bind.h"
#include "config_check.h"
#include "config_files.h"
#include "names.h"
#include "settings.h"
#include "values.h"
#include "xalloc.h"

/* Files that change while they are read: at most 20 ms, in which a supervisor does nothing else. */
#define READINGS_MAX 20
#define READ_AGAIN_NS 1000000

struct config *config_retain(struct config *config)
{
    config->references++;
    return config;
}

static void free_strings(struct config_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        free(strings->items[i]);
    free(strings->items);
    *strings = (struct config_strings){ 0 };
}

static void free_section(enum section section, void *base);

static void free_app(struct config_app *app)
{
    free_section(SECTION_APP, app);
    for (size_t i = 0; i < app->hook_count; i++)
        free_section(SECTION_HOOK, &app->hooks[i]);
    free(app->hooks);
    free(app->name);
}

static void free_pool(struct config_pool *pool)
{
    free_section(SECTION_POOL, pool);
    for (size_t i = 0; i < pool->listen_count; i++)
        listen_free(&pool->listen[i]);
    free(pool->listen);
    for (size_t i = 0; i < pool->env.count; i++) {
        free(pool->env.items[i].name);
        free(pool->env.items[i].value);
    }
    free(pool->env.items);
    for (size_t i = 0; i < pool->rlimit_count; i++)
        free(pool->rlimits[i].name);
    free(pool->rlimits);
    for (size_t i = 0; i < pool->app_count; i++)
        free_app(&pool->apps[i]);
    free(pool->apps);
    free(pool->allocator_place);
    free(pool->place);
    free(pool->name);
}

/* The strings and lists of strings of a section and those in it. */
static void free_section(enum section section, void *base)
{
    size_t count;
    const struct setting *settings = settings_of(section, &count);
    for (size_t i = 0; i < count; i++) {
        void *field = (char *)base + settings[i].offset;
        switch (settings[i].type) {
        CASES_STRING:
            free(*(char **)field);
            break;
        CASES_STRINGS:
            free_strings(field);
            break;
        case SETTING_SECTION:
        case SETTING_OPTIONAL_SECTION: free_section(settings[i].child, base); break;
        default: break;
        }
    }
}

void config_release(struct config *config)
{
    if (config == NULL || --config->references > 0)
        return;
    free_section(SECTION_TOP, config);
    for (size_t i = 0; i < config->pool_count; i++)
        free_pool(&config->pools[i]);
    free(config->pools);
    free_strings(&config->files);
    free(config->path);
    free(config);
}

void config_report_free(struct config_report *report)
{
    free_strings(&report->errors);
}

const struct config_pool *config_pool_find(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->pool_count; i++) {
        if (strcmp(config->pools[i].name, name) == 0)
            return &config->pools[i];
    }
    return NULL;
}

static void check_pools(struct binder *binder, struct config_files *files, const struct node *root,
                        const struct config *config)
{
    const struct node *pools = node_find(root, "pools");
    bool elsewhere = files->unreadable || (root != NULL && root->failed);
    if (elsewhere || config->pool_count > 0 || (pools != NULL && (pools->failed || pools->count > 0)))
        return;
    struct place place = { .source = files->items[0]->source, .line = 1, .column = 1 };
    diagnostics_error(binder->diagnostics, place, root == NULL ? "no pools: the file is empty" : "no pools");
}

/* The main file is in `files` already. */
static struct config *build(struct config_files *files, const char *path, struct diagnostics *diagnostics)
{
    struct config *config = xcalloc(1, sizeof *config);
    config->references = 1;
    config->path = xstrdup(path);
    struct binder binder = { .diagnostics = diagnostics };
    struct node *root = files->items[0]->root;

    if (root != NULL)
        bind_section(&binder, SECTION_TOP, root, config);
    config_files_include(files, node_find(root, "include"), &binder);
    for (size_t i = 1; i < files->count; i++) {
        if (files->items[i]->root != NULL)
            bind_included(&binder, files->items[i]->root, config);
    }
    check_pools(&binder, files, root, config);
    if (root != NULL && root->kind == NODE_MAPPING)
        config_check(&binder, root, config);
    free(binder.origins);
    config_files_names(files, &config->files);
    return config;
}

static struct config *finish(struct config_files *files, const char *path, struct diagnostics *diagnostics,
                             struct config_report *report)
{
    struct config *config = files->unreadable ? NULL : build(files, path, diagnostics);
    if (diagnostics->count > 0) {
        config_release(config);
        config = NULL;
    }
    diagnostics_report(diagnostics, report);
    return config;
}

/* One reading. `changed`: the files were written to meanwhile, or others have taken their place. */
static struct config *load(const char *name, const char *path, struct config_report *report, bool *changed)
{
    struct diagnostics diagnostics = { 0 };
    struct config_files files = { .diagnostics = &diagnostics };
    config_files_read(&files, name, path);
    struct config *config = finish(&files, path, &diagnostics, report);
    *changed = config_files_changed(&files);
    config_files_free(&files);
    return config;
}

struct config *config_load(const char *path, struct config_report *report)
{
    const struct timespec pause = { .tv_nsec = READ_AGAIN_NS };
    char *directory = getcwd(NULL, 0);
    char *absolute = value_path(directory != NULL ? directory : "/", path);
    bool changed;
    *report = (struct config_report){ 0 };
    struct config *config = load(path, absolute, report, &changed);
    for (int again = 1; changed && again < READINGS_MAX; again++) {
        config_release(config);
        config_report_free(report);
        *report = (struct config_report){ 0 };
        nanosleep(&pause, NULL);
        config = load(path, absolute, report, &changed);
    }
    if (changed && config != NULL) {
        struct diagnostics diagnostics = { 0 };
        struct source source = { .name = absolute, .directory = absolute };
        config_release(config);
        config = NULL;
        diagnostics_error(&diagnostics, (struct place){ .source = &source }, "changes while it is read");
        diagnostics_report(&diagnostics, report);
    }
    free(absolute);
    free(directory);
    return config;
}

struct config *config_parse(const char *text, size_t length, const char *name, const char *directory,
                            struct config_report *report)
{
    *report = (struct config_report){ 0 };
    struct diagnostics diagnostics = { 0 };
    struct config_files files = { .diagnostics = &diagnostics };
    config_files_text(&files, name, directory, text, length);
    struct config *config = finish(&files, "", &diagnostics, report);
    config_files_free(&files);
    return config;
}
