#include "dev.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "supervisor.h"
#include "watch.h"
#include "xalloc.h"

/* A save, or a checkout of many files, comes in several events: quiet for so long, but no later than that. */
#define QUIET_NS (60 * CLOCK_NS_PER_MS)
#define LATEST_NS (500 * CLOCK_NS_PER_MS)

struct dev {
    struct supervisor *supervisor; /* NULL: not started */
    char *folder;                  /* for the control socket; NULL: the configured place serves */
    char *control;
    struct watch *watch;
    struct loop_source source;
    struct loop_timer quiet;
    int64_t changed_ns; /* the first change that was not acted on; 0: none */
    struct strbuf changed;
};

static void reload(void *data);

struct dev *dev_new(void)
{
    struct dev *dev = xcalloc(1, sizeof *dev);
    dev->watch = watch_new();
    if (!dev->watch)
        fatal("files can't be watched");
    dev->quiet = (struct loop_timer){ .expired = reload, .data = dev };
    return dev;
}

void dev_free(struct dev *dev)
{
    if (!dev)
        return;
    watch_free(dev->watch);
    if (dev->folder && rmdir(dev->folder) < 0)
        log_warn("%s can't be removed", dev->folder);
    strbuf_free(&dev->changed);
    free(dev->folder);
    free(dev->control);
    free(dev);
}

static void replace(char **field, const char *value)
{
    free(*field);
    *field = value ? xstrdup(value) : NULL;
}

/* In its folder, or in one that can be made. */
static bool can_be_made(const char *path)
{
    char *copy = xstrdup(path);
    char *folder = dirname(copy);
    bool possible = access(folder, W_OK | X_OK) == 0;
    if (!possible && errno == ENOENT)
        possible = access(dirname(folder), W_OK | X_OK) == 0;
    free(copy);
    return possible;
}

static void make_folder(struct dev *dev)
{
    const char *place = getenv("TMPDIR");
    /* A path of a socket has 107 bytes. */
    dev->folder = xasprintf("%s/cowherd-XXXXXX", place && *place == '/' && strlen(place) < 60 ? place : "/tmp");
    if (!mkdtemp(dev->folder))
        fatal("no folder can be made for the control socket: %s", dev->folder);
    dev->control = xasprintf("%s/control.sock", dev->folder);
}

static void adapt_places(struct dev *dev, struct config *config)
{
    if (!dev->control && !dev->supervisor && !can_be_made(config->control))
        make_folder(dev);
    if (dev->control)
        replace(&config->control, dev->control);
    if (config->pid_file && !can_be_made(config->pid_file))
        replace(&config->pid_file, NULL);
}

static bool has_variable(const struct config_pairs *env, const char *name)
{
    for (size_t i = 0; i < env->count; i++)
        if (strcmp(env->items[i].name, name) == 0)
            return true;
    return getenv(name) != NULL;
}

static void adapt_pool(struct config_pool *pool)
{
    pool->workers.min = pool->workers.max = pool->workers.spare = 1;
    pool->show_errors = true;
    if (!has_variable(&pool->env, "RACK_ENV")) {
        pool->env.items = xreallocarray(pool->env.items, pool->env.count + 1, sizeof *pool->env.items);
        pool->env.items[pool->env.count++] =
            (struct config_pair){ .name = xstrdup("RACK_ENV"), .value = xstrdup("development") };
    }
    if (geteuid() == 0)
        return;
    replace(&pool->user, NULL);
    replace(&pool->group, NULL);
    replace(&pool->socket.owner, NULL);
    replace(&pool->socket.group, NULL);
}

void dev_adapt(struct dev *dev, struct config *config)
{
    adapt_places(dev, config);
    replace(&config->log.error, "stderr");
    replace(&config->log.access.path, "stderr");
    for (size_t i = 0; i < config->pool_count; i++)
        adapt_pool(&config->pools[i]);
}

static void note_change(struct dev *dev)
{
    int64_t now = clock_monotonic_ns();
    if (dev->changed_ns == 0)
        dev->changed_ns = now;
    int64_t latest = dev->changed_ns + LATEST_NS;
    loop_timer_set(dev->supervisor->loop, &dev->quiet, now + QUIET_NS < latest ? now + QUIET_NS : latest);
}

static void look_now(struct dev *dev)
{
    if (watch_read(dev->watch, &dev->changed))
        note_change(dev);
}

static void ready(void *data, uint32_t events)
{
    (void)events;
    look_now(data);
}

static void reload(void *data)
{
    struct dev *dev = data;
    /* Watched before it is read: what changes from now on is told. */
    watch_again(dev->watch);
    dev->changed_ns = 0;
    log_info("%s has changed", dev->changed.length ? dev->changed.data : "a file");
    strbuf_consume(&dev->changed, dev->changed.length);
    supervisor_reload(dev->supervisor, NULL, NULL);
}

void dev_start(struct dev *dev, struct supervisor *supervisor)
{
    dev->supervisor = supervisor;
    if (dev->folder)
        log_info("the control socket is %s: the configured place can't be written", dev->control);
    dev->source = (struct loop_source){ .fd = watch_descriptor(dev->watch), .ready = ready, .data = dev };
    if (loop_add(supervisor->loop, &dev->source, EPOLLIN) < 0)
        fatal("epoll");
    dev_watch_config(dev, supervisor->config);
}

void dev_stop(struct dev *dev)
{
    loop_timer_clear(dev->supervisor->loop, &dev->quiet);
    loop_remove(dev->supervisor->loop, &dev->source);
}

static void watch_app(struct dev *dev, const struct config_app *app)
{
    if (app->rack)
        watch_file(dev->watch, app->rack);
    if (app->scripts.enabled && app->scripts.cache)
        watch_tree(dev->watch, app->root);
    for (size_t i = 0; i < app->hook_count; i++)
        if (app->hooks[i].cache)
            watch_file(dev->watch, app->hooks[i].file);
}

void dev_watch_config(struct dev *dev, const struct config *config)
{
    for (size_t i = 0; i < config->files.count; i++)
        watch_file(dev->watch, config->files.items[i]);
    for (size_t i = 0; i < config->pool_count; i++) {
        const struct config_pool *pool = &config->pools[i];
        for (size_t j = 0; j < pool->preload.count; j++)
            watch_file(dev->watch, pool->preload.items[j]);
        for (size_t j = 0; j < pool->app_count; j++)
            watch_app(dev, &pool->apps[j]);
    }
}

void dev_file_loaded(struct dev *dev, const struct generation *generation, const struct message *message)
{
    const char *chroot = generation->settings->chroot;
    struct stat now = { 0 };
    if (message->file.path[0] != '/')
        return;
    char *path = xasprintf("%s%s", chroot ? chroot : "", message->file.path);
    watch_file(dev->watch, path);
    bool there = stat(path, &now) == 0;
    if ((there || errno == ENOENT) &&
        (now.st_ino != message->file.inode || now.st_size != message->file.size ||
         now.st_mtim.tv_sec * CLOCK_NS_PER_S + now.st_mtim.tv_nsec != message->file.modified_ns)) {
        if (dev->changed.length == 0)
            strbuf_puts(&dev->changed, path);
        note_change(dev);
    }
    free(path);
}
