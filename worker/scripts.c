#include "scripts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "answer.h"
#include "log.h"
#include "script.h"
#include "script_open.h"
#include "script_path.h"
#include "script_table.h"
#include "script_tree.h"
#include "xalloc.h"

/* Of those that are compiled when they are asked for. */
#define ENTRIES_MAX 1024

struct scripts {
    struct vm *vm;
    const struct config_app *app;
    const char *prefix; /* the app's, "" for the root */
    int root;
    struct script_table table;
};

struct scripts *scripts_new(struct vm *vm, const struct config_app *app, int root)
{
    struct scripts *scripts = xcalloc(1, sizeof *scripts);

    scripts->vm = vm;
    scripts->app = app;
    scripts->prefix = strcmp(app->path, "/") == 0 ? "" : app->path;
    scripts->root = root;
    return scripts;
}

void scripts_free(struct scripts *scripts)
{
    if (scripts == NULL)
        return;
    script_table_free(&scripts->table);
    free(scripts);
}

/* A hook does not answer, wherever its file lies. */
static bool is_hook(const struct config_app *app, const char *file)
{
    size_t root = strlen(app->root);

    for (size_t i = 0; i < app->hook_count; i++) {
        const char *hook = app->hooks[i].file;
        if (hook != NULL && strncmp(hook, app->root, root) == 0 && strcmp(hook + root + (hook[root] == '/'), file) == 0)
            return true;
    }
    return false;
}

static struct script_entry *add_entry(struct scripts *scripts, const char *file)
{
    return script_table_add(&scripts->table, scripts->app->root, scripts->prefix, file);
}

struct load {
    struct scripts *scripts;
    struct strbuf *error;
};

static bool load_file(const char *file, int fd, void *data)
{
    const struct load *load = data;
    struct scripts *scripts = load->scripts;

    if (is_hook(scripts->app, file)) {
        close(fd);
        return true;
    }
    struct script_entry *entry = add_entry(scripts, file);
    if (fd == -1)
        return true;
    entry->script = script_new(scripts->vm, entry->path, true);
    return script_load_fd(entry->script, fd, load->error);
}

bool scripts_load(struct scripts *scripts, struct strbuf *error)
{
    struct load load = { .scripts = scripts, .error = error };
    struct script_tree tree = { .root = scripts->root, .app = scripts->app, .found = load_file, .data = &load };

    return !scripts->app->scripts.cache || script_tree_walk(&tree, error);
}

struct check {
    const struct config_app *app;
    struct strbuf *errors;
};

static bool check_file(const char *file, int fd, void *data)
{
    const struct check *check = data;

    if (fd == -1)
        return true;
    close(fd);
    if (!is_hook(check->app, file)) {
        char *path = xasprintf("%s/%s", check->app->root, file);
        vm_check_file(path, check->errors);
        free(path);
    }
    return true;
}

void scripts_check(const struct config_app *app, struct strbuf *errors)
{
    struct check check = { .app = app, .errors = errors };
    struct strbuf error = { 0 };
    struct script_tree tree = {
        .root = open(app->root, O_PATH | O_DIRECTORY | O_CLOEXEC),
        .app = app,
        .found = check_file,
        .data = &check,
    };

    if (tree.root == -1)
        strbuf_printf(errors, "%s:1:1: cannot be read: %s\n", app->root, strerror(errno));
    else if (!script_tree_walk(&tree, &error))
        strbuf_printf(errors, "%s:1:1: %s\n", app->root, error.data);
    if (tree.root != -1)
        close(tree.root);
    strbuf_free(&error);
}

static int status_of(const struct scripts *scripts, const char *file, int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG: return 404;
    case EACCES:
    case EPERM:
    case ELOOP: return 403;
    default:
        errno = error;
        log_warn("%s/%s can't be opened", scripts->app->root, file);
        return 500;
    }
}

/* 200 with the file's status, or what is to be answered. */
static int look_at_file(const struct scripts *scripts, const char *file, struct stat *status)
{
    enum config_follow follow = scripts->app->scripts.follow_symlinks;

    /* Where no link on the way there matters, one call does for three. */
    if (follow == FOLLOW_ALWAYS || strchr(file, '/') == NULL) {
        if (fstatat(scripts->root, file, status, follow == FOLLOW_ALWAYS ? 0 : AT_SYMLINK_NOFOLLOW) == -1)
            return status_of(scripts, file, errno);
        if (!S_ISLNK(status->st_mode))
            return S_ISREG(status->st_mode) ? 200 : 404;
    }

    int fd = script_open(scripts->root, file, follow, O_PATH);
    if (fd == -1)
        return status_of(scripts, file, errno);
    if (fstat(fd, status) == -1 || !S_ISREG(status->st_mode)) {
        close(fd);
        return 404;
    }
    close(fd);
    return 200;
}

static struct script_entry *add_looked_at(struct scripts *scripts, const char *file)
{
    struct script_entry *entry = add_entry(scripts, file);

    entry->script = script_new(scripts->vm, entry->path, false);
    script_table_touch(&scripts->table, entry);
    if (scripts->table.count > ENTRIES_MAX)
        script_table_remove(&scripts->table, script_table_oldest(&scripts->table));
    return entry;
}

static int find_by_look(struct scripts *scripts, const struct script_path *path, struct script_choice *choice)
{
    struct script_entry *entry = script_table_find(&scripts->table, path->file);
    struct stat status;
    int result = look_at_file(scripts, path->file, &status);

    if (result != 200) {
        if (entry != NULL)
            script_table_remove(&scripts->table, entry);
        return result;
    }
    if (path->slash_missing)
        return 301;
    if (entry == NULL)
        entry = add_looked_at(scripts, path->file);
    script_table_touch(&scripts->table, entry);
    choice->entry = entry;
    choice->stale = script_is_stale(entry->script, &status);
    return 200;
}

static int find_compiled(const struct scripts *scripts, const struct script_path *path, struct script_choice *choice)
{
    struct script_entry *entry = script_table_find(&scripts->table, path->file);

    if (entry == NULL)
        return 404;
    if (path->slash_missing)
        return 301;
    choice->entry = entry;
    return entry->script != NULL ? 200 : 403;
}

/* No server hands these to what it serves (RFC 9110, 9.3.6 and 9.3.8). */
static bool is_refused_method(const char *method)
{
    return (method[0] == 'T' || method[0] == 'C') && (strcmp(method, "TRACE") == 0 || strcmp(method, "CONNECT") == 0);
}

void scripts_find(struct scripts *scripts, struct request *request, const char *method, struct script_choice *choice)
{
    struct script_path path;

    *choice = (struct script_choice){ .scripts = scripts, .status = 404 };
    if (!script_path_map(request->path_info, scripts->app->scripts.index, &path) || is_hook(scripts->app, path.file))
        return;
    choice->status =
        scripts->app->scripts.cache ? find_compiled(scripts, &path, choice) : find_by_look(scripts, &path, choice);
    if (choice->status == 200 && is_refused_method(method))
        choice->status = 405;
    if (choice->status != 200)
        return;
    request->script_name = choice->entry->script_name;
    request->script_path = choice->entry->path;
    request->path_info = path.info;
}

/* The file may have gone since it was looked at. */
static bool compile(mrb_state *mrb, struct script_choice *choice)
{
    struct scripts *scripts = choice->scripts;
    struct script_entry *entry = choice->entry;
    struct stat status;
    int fd = script_open(scripts->root, entry->file, scripts->app->scripts.follow_symlinks,
                         O_RDONLY | O_NONBLOCK | O_NOCTTY);

    if (fd == -1) {
        choice->status = status_of(scripts, entry->file, errno);
        return false;
    }
    if (fstat(fd, &status) == -1 || !S_ISREG(status.st_mode)) {
        close(fd);
        choice->status = 404;
        return false;
    }
    script_compile(mrb, entry->script, fd);
    return true;
}

bool scripts_prepare(mrb_state *mrb, struct script_choice *choice)
{
    return choice->status == 200 && (!choice->stale || compile(mrb, choice));
}

mrb_value scripts_run(mrb_state *mrb, const struct script_choice *choice)
{
    return script_run_code(mrb, choice->entry->script, mrb_top_self(mrb));
}

static void redirect(struct request *request)
{
    const char *query = request_param(request, "QUERY_STRING");
    struct strbuf header = { 0 };

    strbuf_puts(&header, "Location: ");
    script_path_location(&header, request->script_name, request->path_info, query);
    answer_plain_with(request, 301, header.data, NULL);
    strbuf_free(&header);
}

void scripts_refuse(struct request *request, const struct script_choice *choice)
{
    if (choice->status == 301)
        redirect(request);
    else if (choice->status == 405)
        answer_plain_with(request, 405, "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS", NULL);
    else
        answer_plain(request, choice->status, NULL);
}
