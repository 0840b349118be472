#include "require_search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mruby/debug.h>
#include <mruby/error.h>
#include <mruby/irep.h>
#include <mruby/proc.h>
#include <mruby/string.h>

#include "require_source.h"

mrb_value path_argument(mrb_state *mrb, mrb_value argument)
{
    mrb_value path = argument;

    if (!mrb_string_p(path) && mrb_respond_to(mrb, path, mrb_intern_lit(mrb, "to_path")))
        path = mrb_funcall(mrb, path, "to_path", 0);
    if (!mrb_string_p(path) && mrb_respond_to(mrb, path, mrb_intern_lit(mrb, "to_str")))
        path = mrb_funcall(mrb, path, "to_str", 0);
    if (!mrb_string_p(path))
        mrb_raisef(mrb, E_TYPE_ERROR, "no implicit conversion of %Y into String", argument);
    if (memchr(RSTRING_PTR(path), '\0', (size_t)RSTRING_LEN(path)) != NULL)
        mrb_raise(mrb, E_ARGUMENT_ERROR, "string contains null byte");
    return mrb_str_new(mrb, RSTRING_PTR(path), RSTRING_LEN(path));
}

static mrb_bool is_in_home(const char *path)
{
    return path[0] == '~' && (path[1] == '/' || path[1] == '\0');
}

mrb_bool path_is_explicit(const char *path)
{
    return path[0] == '/' || strncmp(path, "./", 2) == 0 || strncmp(path, "../", 3) == 0 || is_in_home(path);
}

/* Appends the names in `path` to `result`; .. takes the last one away again. */
static void append_names(mrb_state *mrb, mrb_value result, const char *path)
{
    while (*path != '\0') {
        size_t length = strcspn(path, "/");
        if (length == 2 && memcmp(path, "..", 2) == 0) {
            mrb_int end = RSTRING_LEN(result);
            while (end > 0 && RSTRING_PTR(result)[--end] != '/')
                ;
            mrb_str_resize(mrb, result, end);
        } else if (length > 0 && !(length == 1 && path[0] == '.')) {
            mrb_str_cat_lit(mrb, result, "/");
            mrb_str_cat(mrb, result, path, length);
        }
        path += length;
        path += *path == '/';
    }
}

mrb_value path_expand(mrb_state *mrb, const char *path, const char *base)
{
    mrb_value result = mrb_str_new(mrb, NULL, 0);
    char directory[PATH_MAX];

    if (is_in_home(path)) {
        const char *home = getenv("HOME");
        if (home == NULL || home[0] != '/')
            mrb_raise(mrb, E_ARGUMENT_ERROR, "~ can't be expanded: HOME is not set to an absolute path");
        append_names(mrb, result, home);
        path++;
    } else if (path[0] != '/') {
        if (base == NULL)
            base = getcwd(directory, sizeof directory);
        if (base == NULL)
            mrb_raisef(mrb, E_RUNTIME_ERROR, "the working directory can't be told: %s", strerror(errno));
        append_names(mrb, result, base);
    }
    append_names(mrb, result, path);
    if (RSTRING_LEN(result) == 0)
        mrb_str_cat_lit(mrb, result, "/");
    return result;
}

mrb_bool search_file(struct search *search, const char *path)
{
    struct stat status;

    if (realpath(path, search->path) == NULL || stat(search->path, &status) == -1) {
        if (errno != ENOENT && errno != ENOTDIR)
            search->reason = strerror(errno);
        source_tell(path, NULL);
    } else if (!S_ISREG(status.st_mode)) {
        search->reason = S_ISDIR(status.st_mode) ? "Is a directory" : "Not a regular file";
    } else if (access(search->path, R_OK) == -1) {
        search->reason = strerror(errno);
    } else {
        return TRUE;
    }
    return FALSE;
}

/* The name that a frame's code was compiled under. */
static const char *file_of(mrb_state *mrb, const mrb_callinfo *frame)
{
    const struct RProc *proc = frame->proc;

    if (proc == NULL || MRB_PROC_CFUNC_P(proc) || MRB_PROC_ALIAS_P(proc) || frame->pc == NULL)
        return NULL;
    const mrb_irep *code = proc->body.irep;
    if (code == NULL || code->debug_info == NULL)
        return NULL;
    return mrb_debug_get_filename(mrb, code, (uint32_t)(frame->pc - 1 - code->iseq));
}

/*
 * Files that were loaded have absolute names, whether they are still there or not. Other names that don't exist are
 * those of Ruby that is compiled into the program, as the `each` that a block with require_relative was given to.
 */
const char *search_caller(mrb_state *mrb, char path[PATH_MAX])
{
    for (const mrb_callinfo *frame = mrb->c->ci; frame-- > mrb->c->cibase;) {
        const char *file = file_of(mrb, frame);
        if (file == NULL)
            continue;
        if (realpath(file, path) != NULL)
            return path;
        if (file[0] == '/' && strlen(file) < PATH_MAX)
            return strcpy(path, file);
    }
    return NULL;
}
