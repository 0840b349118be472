#include "watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "xalloc.h"

#define FOLDERS_MAX 8192
#define ARRIVES (IN_CLOSE_WRITE | IN_MOVED_TO)
#define LEAVES (IN_MOVED_FROM | IN_DELETE)
#define ENDS (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)
#define WATCHED (ARRIVES | LEAVES | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct folder {
    char *path;
    int number; /* inotify's; -1: it is not there */
    bool tree;
    char **names;
    size_t count;
};

struct watch {
    int fd;
    bool complained;
    struct folder *folders;
    size_t count;
};

struct watch *watch_new(void)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0)
        return NULL;
    struct watch *watch = xcalloc(1, sizeof *watch);
    watch->fd = fd;
    return watch;
}

void watch_free(struct watch *watch)
{
    if (!watch)
        return;
    for (size_t i = 0; i < watch->count; i++) {
        for (size_t j = 0; j < watch->folders[i].count; j++)
            free(watch->folders[i].names[j]);
        free(watch->folders[i].names);
        free(watch->folders[i].path);
    }
    free(watch->folders);
    close(watch->fd);
    free(watch);
}

int watch_descriptor(const struct watch *watch)
{
    return watch->fd;
}

static bool is_ruby(const char *name)
{
    size_t length = strlen(name);
    return name[0] != '.' && length > 3 && strcmp(name + length - 3, ".rb") == 0;
}

bool watch_matters(char *const *names, size_t count, bool tree, uint32_t mask, const char *name)
{
    bool is_folder = (mask & IN_ISDIR) != 0;
    if (mask & (ENDS | IN_Q_OVERFLOW))
        return true;
    if (!(mask & (ARRIVES | LEAVES)) && !((mask & IN_CREATE) && is_folder))
        return false;
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return tree && ((!is_folder && is_ruby(name)) || (is_folder && (mask & IN_MOVED_FROM) && name[0] != '.'));
}

/* The folder's number in the table, which moves when it grows; -1: there are too many. */
static ssize_t folder_at(struct watch *watch, const char *path)
{
    for (size_t i = 0; i < watch->count; i++)
        if (strcmp(watch->folders[i].path, path) == 0)
            return (ssize_t)i;
    if (watch->count == FOLDERS_MAX) {
        if (!watch->complained)
            log_warnx("too many folders are loaded from: changes below %s are not noticed", path);
        watch->complained = true;
        return -1;
    }
    watch->folders = xreallocarray(watch->folders, watch->count + 1, sizeof *watch->folders);
    watch->folders[watch->count] = (struct folder){ .path = xstrdup(path), .number = -1 };
    return (ssize_t)watch->count++;
}

static void add_name(struct folder *folder, const char *name)
{
    for (size_t i = 0; i < folder->count; i++)
        if (strcmp(folder->names[i], name) == 0)
            return;
    folder->names = xreallocarray(folder->names, folder->count + 1, sizeof *folder->names);
    folder->names[folder->count++] = xstrdup(name);
}

static void watch_path(struct watch *watch, const char *path);

/* While a folder is not there, its name is waited for in the one that it should be in. */
static void enter(struct watch *watch, size_t index)
{
    struct folder *folder = &watch->folders[index];
    if (folder->number >= 0)
        return;
    folder->number = inotify_add_watch(watch->fd, folder->path, WATCHED);
    if (folder->number >= 0)
        return;
    if (errno != ENOENT && errno != ENOTDIR) {
        if (!watch->complained)
            log_warn("changes in %s are not noticed", folder->path);
        watch->complained = true;
    } else if (strcmp(folder->path, "/") != 0) {
        char *path = xstrdup(folder->path);
        watch_path(watch, path);
        free(path);
    }
}

static void watch_path(struct watch *watch, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
    ssize_t index = folder_at(watch, folder);
    free(folder);
    if (index < 0)
        return;
    add_name(&watch->folders[index], slash + 1);
    enter(watch, (size_t)index);
}

void watch_file(struct watch *watch, const char *path)
{
    char real[PATH_MAX];
    if (path[0] != '/')
        return;
    watch_path(watch, path);
    if (realpath(path, real) && strcmp(real, path) != 0)
        watch_path(watch, real);
}

/* true: there is a Ruby file in it. */
static bool watch_below(struct watch *watch, const char *path)
{
    bool found = false;
    ssize_t index = folder_at(watch, path);
    if (index < 0)
        return false;
    watch->folders[index].tree = true;
    enter(watch, (size_t)index);
    DIR *folder = opendir(path);
    struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        struct stat status;
        if (entry->d_name[0] == '.')
            continue;
        found |= is_ruby(entry->d_name);
        if (fstatat(dirfd(folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(status.st_mode))
            continue;
        char *below = xasprintf("%s/%s", strcmp(path, "/") == 0 ? "" : path, entry->d_name);
        found |= watch_below(watch, below);
        free(below);
    }
    if (folder)
        closedir(folder);
    return found;
}

void watch_tree(struct watch *watch, const char *folder)
{
    watch_below(watch, folder);
}

void watch_again(struct watch *watch)
{
    size_t count = watch->count;
    for (size_t i = 0; i < count; i++) {
        if (watch->folders[i].number >= 0)
            continue;
        enter(watch, i);
        if (watch->folders[i].number >= 0 && watch->folders[i].tree) {
            char *path = xstrdup(watch->folders[i].path);
            watch_below(watch, path);
            free(path);
        }
    }
}

/* A link is whole at once, and never closed. */
static bool is_link(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && (S_ISLNK(status.st_mode) || status.st_nlink > 1);
}

static bool take(struct watch *watch, size_t index, const struct inotify_event *event, struct strbuf *changed)
{
    struct folder *folder = &watch->folders[index];
    const char *name = event->len > 0 ? event->name : "";
    uint32_t mask = event->mask;
    char *path = xasprintf("%s%s%s", folder->path, *name && strcmp(folder->path, "/") != 0 ? "/" : "", name);
    if ((mask & IN_CREATE) && !(mask & IN_ISDIR) && is_link(path))
        mask |= IN_MOVED_TO;
    bool matters = watch_matters(folder->names, folder->count, folder->tree, mask, name);
    if (mask & IN_MOVE_SELF)
        inotify_rm_watch(watch->fd, event->wd);
    if (mask & (ENDS | IN_IGNORED))
        folder->number = -1;
    /* Last: the table may move. */
    if (folder->tree && (mask & IN_ISDIR) && (mask & (IN_CREATE | IN_MOVED_TO)) && name[0] != '.')
        matters |= watch_below(watch, path);
    if (matters && changed->length == 0)
        strbuf_puts(changed, path);
    free(path);
    return matters;
}

bool watch_read(struct watch *watch, struct strbuf *changed)
{
    char bytes[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool matters = false;
    ssize_t length;
    while ((length = read(watch->fd, bytes, sizeof bytes)) > 0) {
        for (const char *at = bytes; at < bytes + length;) {
            const struct inotify_event *event = (const struct inotify_event *)(const void *)at;
            at += sizeof *event + event->len;
            matters |= (event->mask & IN_Q_OVERFLOW) != 0;
            size_t count = watch->count;
            for (size_t i = 0; i < count; i++)
                if (watch->folders[i].number == event->wd)
                    matters |= take(watch, i, event, changed);
        }
    }
    return matters;
}
