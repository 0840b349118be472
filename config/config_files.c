#include "config_files.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_stamp.h"
#include "values.h"
#include "xalloc.h"

static char *directory_of(const char *absolute)
{
    const char *slash = strrchr(absolute, '/');
    return slash == absolute ? xstrdup("/") : xstrndup(absolute, (size_t)(slash - absolute));
}

static struct config_file *add_file(struct config_files *files, const char *name, char *directory)
{
    struct config_file *file = xcalloc(1, sizeof *file);
    file->source = xcalloc(1, sizeof *file->source);
    *file->source = (struct source){ .index = files->count, .name = xstrdup(name), .directory = directory };
    files->items = xreallocarray(files->items, files->count + 1, sizeof(struct config_file *));
    files->items[files->count++] = file;
    return file;
}

static void parse(struct config_files *files, struct config_file *file, const char *text, size_t length)
{
    if (!yaml_tree_read(file->source, text, length, files->diagnostics, &file->root))
        files->unreadable = true;
    if (file->root != NULL && node_is_null(file->root)) { /* a document with nothing in it */
        yaml_tree_free(file->root);
        file->root = NULL;
    }
}

/* Everything up to the end of the file or `max` bytes and one; -1 and errno. */
static ssize_t read_all(int fd, char *text, size_t max)
{
    size_t length = 0;
    while (length <= max) {
        ssize_t part = read(fd, text + length, max + 1 - length);
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return -1;
        if (part == 0)
            break;
        length += (size_t)part;
    }
    return (ssize_t)length;
}

/* A problem to be reported, NULL when `*text` is the file's content, to be freed. */
static char *read_file(struct config_files *files, const char *path, struct stat *status, char **text, size_t *length)
{
    char *problem = NULL;
    *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, status) < 0) {
        files->vanished = files->vanished || errno == ENOENT;
        problem = xasprintf("cannot be read: %s", strerror(errno));
    } else if (!S_ISREG(status->st_mode)) {
        problem = xstrdup("cannot be read: not a regular file");
    } else {
        *text = xmalloc(CONFIG_FILE_MAX + 1);
        ssize_t got = read_all(fd, *text, CONFIG_FILE_MAX);
        *length = got > 0 ? (size_t)got : 0;
        files->bytes += *length;
        if (got < 0)
            problem = xasprintf("cannot be read: %s", strerror(errno));
        else if (*length > CONFIG_FILE_MAX)
            problem = xasprintf("the file is longer than %d MiB", CONFIG_FILE_MAX >> 20);
        else if (files->bytes > CONFIG_TOTAL_MAX)
            problem = xasprintf("the files are longer than %d MiB together", CONFIG_TOTAL_MAX >> 20);
    }
    if (fd >= 0)
        close(fd);
    if (problem != NULL) {
        free(*text);
        *text = NULL;
    }
    return problem;
}

void config_files_read(struct config_files *files, const char *name, const char *path)
{
    struct config_file *file = add_file(files, name, directory_of(path));
    struct stat status;
    char *text;
    size_t length;
    file->path = xstrdup(path);
    char *problem = read_file(files, path, &status, &text, &length);
    if (problem != NULL) {
        diagnostics_error(files->diagnostics, (struct place){ .source = file->source }, "%s", problem);
        files->unreadable = true;
        free(problem);
        return;
    }
    file->status = status;
    parse(files, file, text, length);
    free(text);
}

void config_files_text(struct config_files *files, const char *name, const char *directory, const char *text,
                       size_t length)
{
    struct config_file *file = add_file(files, name, xstrdup(directory));
    if (length > CONFIG_TEXT_MAX) {
        diagnostics_error(files->diagnostics, (struct place){ .source = file->source },
                          "the text is longer than %d MiB", CONFIG_TEXT_MAX >> 20);
        files->unreadable = true;
        return;
    }
    parse(files, file, text, length);
}

/* An included file below the main file's directory is named as the main file was: relative to the same place. */
static char *name_included(const struct source *source, const char *path)
{
    size_t length = strlen(source->directory);
    if (length == 1) /* "/" */
        length = 0;
    if (strncmp(path, source->directory, length) != 0 || path[length] != '/')
        return xstrdup(path);
    const char *slash = strrchr(source->name, '/');
    int prefix = slash != NULL ? (int)(slash + 1 - source->name) : 0;
    return xasprintf("%.*s%s", prefix, source->name, path + length + 1);
}

static bool is_same(const struct config_file *file, const struct stat *status)
{
    return file->path != NULL && file->status.st_dev == status->st_dev && file->status.st_ino == status->st_ino;
}

static void include_text(struct config_files *files, const char *name, const char *path, const struct stat *status,
                         const char *text, size_t length)
{
    for (size_t i = 1; i < files->count; i++) {
        if (is_same(files->items[i], status))
            return;
    }
    struct config_file *file = add_file(files, name, directory_of(path));
    file->path = xstrdup(path);
    file->status = *status;
    parse(files, file, text, length);
}

static void include_file(struct config_files *files, const char *path, struct node *node, struct binder *binder)
{
    if (files->count == CONFIG_FILES_MAX) {
        bind_error(binder, node, "more than %d files", CONFIG_FILES_MAX);
        return;
    }
    struct stat status;
    char *text;
    size_t length;
    char *problem = read_file(files, path, &status, &text, &length);
    char *name = name_included(files->items[0]->source, path);
    if (problem != NULL) {
        bind_error(binder, node, "%s: %s", name, problem);
        files->unreadable = true;
    } else if (is_same(files->items[0], &status)) {
        bind_error(binder, node, "%s: the file includes itself", name);
    } else {
        include_text(files, name, path, &status, text, length);
    }
    free(name);
    free(problem);
    free(text);
}

/* The pattern with the directory in front of it, in which nothing is a pattern. */
static char *absolute_pattern(const char *directory, const char *pattern)
{
    if (pattern[0] == '/')
        return xstrdup(pattern);
    struct strbuf out = { 0 };
    for (const char *byte = directory; *byte != '\0'; byte++) {
        if (strchr("*?[\\", *byte) != NULL)
            strbuf_puts(&out, "\\");
        strbuf_append(&out, byte, 1);
    }
    strbuf_printf(&out, "/%s", pattern);
    return strbuf_detach(&out);
}

static void include_pattern(struct config_files *files, struct node *node, struct binder *binder)
{
    char *pattern = absolute_pattern(node->place.source->directory, node->text);
    glob_t found = { 0 };
    int result = glob(pattern, 0, NULL, &found);
    bool is_pattern = strpbrk(node->text, "*?[") != NULL;
    if (result == GLOB_NOMATCH && !is_pattern)
        bind_error(binder, node, "%s: no such file", node->text);
    else if (result != 0 && result != GLOB_NOMATCH)
        bind_error(binder, node, "%s: cannot be looked for", node->text);
    for (size_t i = 0; result == 0 && i < found.gl_pathc; i++) {
        char *path = value_path("/", found.gl_pathv[i]);
        include_file(files, path, node, binder);
        free(path);
    }
    globfree(&found);
    free(pattern);
}

void config_files_include(struct config_files *files, struct node *include, struct binder *binder)
{
    if (include == NULL)
        return;
    size_t setting_count;
    const struct setting *setting = settings_of(SECTION_TOP, &setting_count);
    while (setting->type != SETTING_INCLUDE)
        setting++;
    struct step step = { .key = setting->key };
    bind_enter(binder, &step);
    struct node *single;
    size_t count;
    struct node **items = bind_items(binder, setting, include, &single, &count);
    for (size_t i = 0; i < count; i++) {
        if (items[i]->kind != NODE_SCALAR || node_is_null(items[i]) || items[i]->text[0] == '\0')
            bind_unexpected(binder, setting, items[i]);
        else if (!items[i]->failed)
            include_pattern(files, items[i], binder);
    }
    bind_leave(binder);
}

static bool has_changed(const struct config_file *file)
{
    const struct file_stamp then = file_stamp_of(&file->status);
    struct stat now;
    return stat(file->path, &now) < 0 || !file_stamp_matches(&then, &now);
}

bool config_files_changed(const struct config_files *files)
{
    if (files->vanished)
        return true;
    for (size_t i = 0; i < files->count; i++)
        if (files->items[i]->path != NULL && files->items[i]->status.st_ino != 0 && has_changed(files->items[i]))
            return true;
    return false;
}

void config_files_names(const struct config_files *files, struct config_strings *names)
{
    names->items = xcalloc(files->count, sizeof *names->items);
    for (size_t i = 0; i < files->count; i++) {
        if (files->items[i]->path != NULL)
            names->items[names->count++] = xstrdup(files->items[i]->path);
    }
}

void config_files_free(struct config_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        struct config_file *file = files->items[i];
        yaml_tree_free(file->root);
        free(file->source->name);
        free(file->source->directory);
        free(file->source);
        free(file->path);
        free(file);
    }
    free(files->items);
    *files = (struct config_files){ 0 };
}
