#include <mruby/require.h>

#include <errno.h>
#include <string.h>

#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/error.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include "require_search.h"
#include "require_source.h"

/*
 * Arrays that no Ruby code can take away, as instance variables of Kernel whose names Ruby can't say. The first two
 * are global variables, too: under both of their names.
 */
static const struct list {
    const char *kept;
    const char *names[2];
} features = { "loaded_features", { "$LOADED_FEATURES", "$\"" } }, load_path = { "load_path", { "$LOAD_PATH", "$:" } },
  loading = { "loading_features", { NULL, NULL } };

static void define_list(mrb_state *mrb, const struct list *list)
{
    mrb_value array = mrb_ary_new(mrb);

    mrb_iv_set(mrb, mrb_obj_value(mrb->kernel_module), mrb_intern_cstr(mrb, list->kept), array);
    for (size_t i = 0; i < 2 && list->names[i] != NULL; i++)
        mrb_gv_set(mrb, mrb_intern_cstr(mrb, list->names[i]), array);
}

static mrb_value list_of(mrb_state *mrb, const struct list *list)
{
    mrb_value array = mrb_iv_get(mrb, mrb_obj_value(mrb->kernel_module), mrb_intern_cstr(mrb, list->kept));

    for (size_t i = 0; i < 2 && list->names[i] != NULL; i++) {
        if (!mrb_obj_equal(mrb, array, mrb_gv_get(mrb, mrb_intern_cstr(mrb, list->names[i]))))
            mrb_raisef(mrb, E_NAME_ERROR, "%s is a read-only variable: change the array that it holds", list->names[i]);
    }
    return array;
}

static mrb_int list_index(mrb_value array, const char *path)
{
    size_t length = strlen(path);

    for (mrb_int i = RARRAY_LEN(array); i > 0; i--) {
        mrb_value item = RARRAY_PTR(array)[i - 1];
        if (mrb_string_p(item) && (size_t)RSTRING_LEN(item) == length && memcmp(RSTRING_PTR(item), path, length) == 0)
            return i - 1;
    }
    return -1;
}

static mrb_bool list_has(mrb_value array, const char *path)
{
    return list_index(array, path) >= 0;
}

static void list_add(mrb_state *mrb, mrb_value array, const char *path)
{
    mrb_value string = mrb_str_new_cstr(mrb, path);

    mrb_obj_freeze(mrb, string);
    mrb_ary_push(mrb, array, string);
}

/* What was added last and is equal. */
static void list_remove(mrb_state *mrb, mrb_value array, const char *path)
{
    mrb_int index = list_index(array, path);

    if (index < 0)
        return;
    mrb_ary_modify(mrb, mrb_ary_ptr(array));
    mrb_value *items = RARRAY_PTR(array);
    memmove(items + index, items + index + 1, sizeof *items * (size_t)(RARRAY_LEN(array) - index - 1));
    mrb_ary_pop(mrb, array);
}

static mrb_value run_feature(mrb_state *mrb, void *path)
{
    return source_run(mrb, path, mrb_top_self(mrb), mrb->object_class);
}

/* `path` is a real one. */
static mrb_bool require_real_path(mrb_state *mrb, char *path)
{
    mrb_value loaded = list_of(mrb, &features);
    mrb_value now_loading = list_of(mrb, &loading);
    mrb_value result;

    if (list_has(loaded, path) || list_has(now_loading, path))
        return FALSE;
    list_add(mrb, now_loading, path);
    mrb_bool failed = protect(mrb, run_feature, path, &result);
    list_remove(mrb, now_loading, path);
    if (failed)
        mrb_exc_raise(mrb, result);
    list_add(mrb, loaded, path);
    return TRUE;
}

MRB_API mrb_bool mrb_require_file(mrb_state *mrb, const char *path)
{
    struct search search = { .reason = NULL };

    if (!search_file(&search, path))
        raise_load_error(mrb, path, search.reason);
    return require_real_path(mrb, search.path);
}

MRB_API mrb_value mrb_require_load(mrb_state *mrb, const char *path, mrb_value self)
{
    struct search search = { .reason = NULL };

    if (!search_file(&search, path))
        raise_load_error(mrb, path, search.reason);
    return source_run(mrb, search.path, self, mrb->object_class);
}

/* Names of Ruby's standard library whose classes a build of mruby may have without a file. */
static const char *const built_in[][2] = {
    { "base64", "Base64" },
    { "complex", "Complex" },
    { "digest", "Digest" },
    { "digest/md5", "Digest" },
    { "digest/sha1", "Digest" },
    { "digest/sha2", "Digest" },
    { "enumerator", "Enumerator" },
    { "erb", "ERB" },
    { "fiber", "Fiber" },
    { "json", "JSON" },
    { "logger", "Logger" },
    { "maxminddb", "MaxMindDB" },
    { "openssl", "OpenSSL" },
    { "rack", "Rack" },
    { "rational", "Rational" },
    { "securerandom", "SecureRandom" },
    { "set", "Set" },
    { "socket", "Socket" },
    { "sqlite3", "SQLite3" },
    { "stringio", "StringIO" },
    { "time", "Time" },
    { "tmpdir", "Dir" },
    { "uri", "URI" },
};

static mrb_bool is_built_in(mrb_state *mrb, const char *name)
{
    for (size_t i = 0; i < sizeof built_in / sizeof built_in[0]; i++)
        if (strcmp(built_in[i][0], name) == 0)
            return mrb_class_defined(mrb, built_in[i][1]);
    return FALSE;
}

enum outcome { FOUND, LOADED_BEFORE, NOT_FOUND };

/* A feature goes on counting when its file is no more: a deployment may have removed it. */
static enum outcome try_feature(mrb_state *mrb, struct search *search, mrb_value candidate)
{
    const char *path = mrb_string_cstr(mrb, candidate);

    if (search_file(search, path))
        return FOUND;
    return list_has(list_of(mrb, &features), path) ? LOADED_BEFORE : NOT_FOUND;
}

static enum outcome find_feature(mrb_state *mrb, struct search *search, const char *name)
{
    mrb_value directories = list_of(mrb, &load_path);
    mrb_value loaded = list_of(mrb, &features);
    mrb_value file = mrb_str_new_cstr(mrb, name);
    enum outcome outcome = NOT_FOUND;
    size_t length = strlen(name);

    if (length < 3 || strcmp(name + length - 3, ".rb") != 0)
        mrb_str_cat_lit(mrb, file, ".rb");
    const char *file_name = mrb_string_cstr(mrb, file);
    if (path_is_explicit(name))
        return try_feature(mrb, search, path_expand(mrb, file_name, NULL));
    if (list_has(loaded, name) || list_has(loaded, file_name))
        return LOADED_BEFORE;
    for (mrb_int i = 0; i < RARRAY_LEN(directories) && outcome == NOT_FOUND; i++) {
        int arena = mrb_gc_arena_save(mrb);
        mrb_value directory = path_argument(mrb, RARRAY_PTR(directories)[i]);
        directory = path_expand(mrb, mrb_string_cstr(mrb, directory), NULL);
        outcome = try_feature(mrb, search, path_expand(mrb, file_name, mrb_string_cstr(mrb, directory)));
        mrb_gc_arena_restore(mrb, arena);
    }
    return outcome == NOT_FOUND && is_built_in(mrb, name) ? LOADED_BEFORE : outcome;
}

static mrb_value require_name(mrb_state *mrb, const char *name)
{
    struct search search = { .reason = NULL };

    switch (find_feature(mrb, &search, name)) {
    case FOUND: return mrb_bool_value(require_real_path(mrb, search.path));
    case LOADED_BEFORE: return mrb_false_value();
    default: raise_load_error(mrb, name, search.reason);
    }
}

static mrb_value kernel_require(mrb_state *mrb, mrb_value self)
{
    mrb_value name = path_argument(mrb, mrb_get_arg1(mrb));

    (void)self;
    return require_name(mrb, mrb_string_cstr(mrb, name));
}

static void cut_file_name(char *path)
{
    char *slash = strrchr(path, '/');

    slash[slash == path] = '\0';
}

static mrb_value kernel_require_relative(mrb_state *mrb, mrb_value self)
{
    mrb_value name = path_argument(mrb, mrb_get_arg1(mrb));
    char base[PATH_MAX];

    (void)self;
    if (search_caller(mrb, base) == NULL)
        mrb_raise(mrb, load_error_class(mrb), "cannot infer basepath");
    cut_file_name(base);
    name = path_expand(mrb, mrb_string_cstr(mrb, name), base);
    return require_name(mrb, mrb_string_cstr(mrb, name));
}

static mrb_bool find_file(mrb_state *mrb, struct search *search, const char *name)
{
    if (!path_is_explicit(name)) {
        mrb_value directories = list_of(mrb, &load_path);
        for (mrb_int i = 0; i < RARRAY_LEN(directories); i++) {
            mrb_value directory = path_argument(mrb, RARRAY_PTR(directories)[i]);
            directory = path_expand(mrb, mrb_string_cstr(mrb, directory), NULL);
            mrb_value path = path_expand(mrb, name, mrb_string_cstr(mrb, directory));
            if (search_file(search, mrb_string_cstr(mrb, path)))
                return TRUE;
        }
    }
    mrb_value path = path_expand(mrb, name, NULL);
    return search_file(search, mrb_string_cstr(mrb, path));
}

static mrb_value kernel_load(mrb_state *mrb, mrb_value self)
{
    struct search search = { .reason = NULL };
    mrb_value name, wrap = mrb_false_value();

    (void)self;
    mrb_get_args(mrb, "o|o", &name, &wrap);
    name = path_argument(mrb, name);
    if (!find_file(mrb, &search, mrb_string_cstr(mrb, name)))
        raise_load_error(mrb, mrb_string_cstr(mrb, name), search.reason);
    if (!mrb_test(wrap)) {
        source_run(mrb, search.path, mrb_top_self(mrb), mrb->object_class);
        return mrb_true_value();
    }

    if (!mrb_module_p(wrap))
        wrap = mrb_obj_value(mrb_module_new(mrb));
    self = mrb_obj_clone(mrb, mrb_top_self(mrb));
    mrb_funcall(mrb, self, "extend", 1, wrap);
    source_run(mrb, search.path, self, mrb_class_ptr(wrap));
    return mrb_true_value();
}

static mrb_value kernel_dir(mrb_state *mrb, mrb_value self)
{
    char path[PATH_MAX];

    (void)self;
    if (search_caller(mrb, path) == NULL)
        return mrb_nil_value();
    cut_file_name(path);
    return mrb_str_new_cstr(mrb, path);
}

static mrb_value error_path(mrb_state *mrb, mrb_value self)
{
    return mrb_iv_get(mrb, self, mrb_intern_lit(mrb, "@path"));
}

void mrb_mruby_require_gem_init(mrb_state *mrb)
{
    struct RClass *kernel = mrb->kernel_module;

    define_list(mrb, &features);
    define_list(mrb, &load_path);
    define_list(mrb, &loading);
    mrb_define_module_function(mrb, kernel, "require", kernel_require, MRB_ARGS_REQ(1));
    mrb_define_module_function(mrb, kernel, "require_relative", kernel_require_relative, MRB_ARGS_REQ(1));
    mrb_define_module_function(mrb, kernel, "load", kernel_load, MRB_ARGS_ARG(1, 1));
    mrb_define_module_function(mrb, kernel, "__dir__", kernel_dir, MRB_ARGS_NONE());
    mrb_define_method(mrb, load_error_class(mrb), "path", error_path, MRB_ARGS_NONE());
    mrb_define_method(mrb, mrb_class_get(mrb, "SyntaxError"), "path", error_path, MRB_ARGS_NONE());
}

void mrb_mruby_require_gem_final(mrb_state *mrb)
{
    (void)mrb;
}
