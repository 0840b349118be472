#include "script_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "script_open.h"
#include "script_path.h"
#include "xalloc.h"

#define FILES_MAX 65536
#define DIRECTORIES_MAX 65536

/* The directories that lead to one. */
struct ancestor {
    const struct ancestor *above;
    dev_t device;
    ino_t inode;
};

struct walk {
    const struct script_tree *tree;
    struct strbuf *error;
    char path[SCRIPT_PATH_MAX]; /* relative to the root */
    size_t files, directories;
};

struct name {
    char *text;
    bool script; /* else it may be a directory */
};

struct names {
    struct name *items;
    size_t count;
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i].text);
    free(names->items);
}

/* Closes `fd`. */
static struct names list(const struct walk *walk, int fd)
{
    struct names names = { 0 };
    DIR *stream = fdopendir(fd);
    struct dirent *entry;

    if (stream == NULL) {
        close(fd);
        return names;
    }
    while ((entry = readdir(stream)) != NULL) {
        bool script = script_path_is_script(entry->d_name, walk->tree->app->scripts.index);
        bool directory = script_path_is_directory(entry->d_name) &&
                         (entry->d_type == DT_DIR || entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN);
        if (!script && !directory)
            continue;
        names.items = xreallocarray(names.items, names.count + 1, sizeof *names.items);
        names.items[names.count++] = (struct name){ .text = xstrdup(entry->d_name), .script = script };
    }
    closedir(stream);
    if (names.count > 0)
        qsort(names.items, names.count, sizeof *names.items, compare_names);
    return names;
}

static int open_path(const struct walk *walk, int flags)
{
    const struct script_tree *tree = walk->tree;

    if (walk->path[0] == '\0')
        return openat(tree->root, ".", flags | O_CLOEXEC);
    return script_open(tree->root, walk->path, tree->app->scripts.follow_symlinks, flags);
}

static bool too_many(const struct walk *walk, const char *what, size_t limit)
{
    strbuf_printf(walk->error, "there are more than %zu %s below %s", limit, what, walk->tree->app->root);
    return false;
}

static bool visit_file(struct walk *walk)
{
    struct stat status;
    int fd = open_path(walk, O_PATH);

    if (fd == -1)
        return true;
    bool regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    close(fd);
    if (!regular)
        return true;
    if (walk->files++ == FILES_MAX)
        return too_many(walk, "scripts", FILES_MAX);
    fd = open_path(walk, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd == -1 && errno != EACCES)
        return true;
    return walk->tree->found(walk->path, fd, walk->tree->data);
}

static bool is_below_itself(const struct ancestor *directory)
{
    for (const struct ancestor *above = directory->above; above != NULL; above = above->above)
        if (above->device == directory->device && above->inode == directory->inode)
            return true;
    return false;
}

static bool visit_directory(struct walk *walk, const struct ancestor *above);

static bool visit(struct walk *walk, const struct name *name, const struct ancestor *directory)
{
    size_t length = strlen(walk->path), added = strlen(name->text);
    bool result = true;

    if (length + 1 + added < sizeof walk->path) {
        char *at = walk->path + length;
        if (length > 0)
            *at++ = '/';
        memcpy(at, name->text, added + 1);
        result = name->script ? visit_file(walk) : visit_directory(walk, directory);
        walk->path[length] = '\0';
    }
    return result;
}

static bool visit_directory(struct walk *walk, const struct ancestor *above)
{
    struct ancestor directory = { .above = above };
    struct stat status;
    int fd = open_path(walk, O_RDONLY | O_DIRECTORY | O_NONBLOCK);

    if (fd == -1) {
        if (errno == EACCES)
            log_warnx("scripts in %s/%s can't be found: the directory can't be read", walk->tree->app->root,
                      walk->path);
        return true;
    }
    if (fstat(fd, &status) == -1)
        status = (struct stat){ 0 };
    directory.device = status.st_dev;
    directory.inode = status.st_ino;
    if (is_below_itself(&directory)) {
        close(fd);
        return true;
    }
    if (walk->directories++ == DIRECTORIES_MAX) {
        close(fd);
        return too_many(walk, "directories", DIRECTORIES_MAX);
    }

    struct names names = list(walk, fd);
    bool result = true;
    for (size_t i = 0; i < names.count && result; i++)
        result = visit(walk, &names.items[i], &directory);
    free_names(&names);
    return result;
}

bool script_tree_walk(const struct script_tree *tree, struct strbuf *error)
{
    struct walk walk = { .tree = tree, .error = error };

    return visit_directory(&walk, NULL);
}
