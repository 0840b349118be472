#define _GNU_SOURCE

#include <errno.h>
#include <ftw.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mruby.h>
#include <mruby/error.h>
#include <mruby/require.h>
#include <mruby/string.h>

static const char *string_argument(mrb_state *mrb)
{
    const char *string;

    mrb_get_args(mrb, "z", &string);
    return string;
}

static void check(mrb_state *mrb, int result)
{
    if (result == -1)
        mrb_raise(mrb, E_RUNTIME_ERROR, strerror(errno));
}

static mrb_value make_directory(mrb_state *mrb, mrb_value self)
{
    (void)self;
    check(mrb, mkdir(string_argument(mrb), 0777));
    return mrb_nil_value();
}

static mrb_value make_temporary(mrb_state *mrb, mrb_value self)
{
    char name[] = "/tmp/mruby-require-XXXXXX";
    char real[4096];

    (void)self;
    check(mrb, mkdtemp(name) == NULL || realpath(name, real) == NULL ? -1 : 0);
    return mrb_str_new_cstr(mrb, real);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

static mrb_value remove_all(mrb_state *mrb, mrb_value self)
{
    (void)self;
    check(mrb, nftw(string_argument(mrb), remove_entry, 16, FTW_DEPTH | FTW_PHYS));
    return mrb_nil_value();
}

static mrb_value change_directory(mrb_state *mrb, mrb_value self)
{
    (void)self;
    check(mrb, chdir(string_argument(mrb)));
    return mrb_nil_value();
}

static mrb_value change_mode(mrb_state *mrb, mrb_value self)
{
    const char *path;
    mrb_int mode;

    (void)self;
    mrb_get_args(mrb, "zi", &path, &mode);
    check(mrb, chmod(path, (mode_t)mode));
    return mrb_nil_value();
}

static mrb_value is_root(mrb_state *mrb, mrb_value self)
{
    (void)mrb;
    (void)self;
    return mrb_bool_value(geteuid() == 0);
}

/* Bytes that malloc has given out. AddressSanitizer's says 0. */
static mrb_value allocated(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return mrb_int_value(mrb, (mrb_int)(mallinfo2().uordblks + mallinfo2().hblkhd));
}

static mrb_value load_with_self(mrb_state *mrb, mrb_value self)
{
    const char *path;
    mrb_value top;

    (void)self;
    mrb_get_args(mrb, "zo", &path, &top);
    return mrb_require_load(mrb, path, top);
}

static mrb_value require_file(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return mrb_bool_value(mrb_require_file(mrb, string_argument(mrb)));
}

static mrb_value check_file(mrb_state *mrb, mrb_value self)
{
    (void)self;
    mrb_require_check(mrb, string_argument(mrb));
    return mrb_nil_value();
}

void mrb_mruby_require_gem_test(mrb_state *mrb);

void mrb_mruby_require_gem_test(mrb_state *mrb)
{
    struct RClass *module = mrb_define_module(mrb, "RequireTest");

    mrb_define_class_method(mrb, module, "mkdir", make_directory, MRB_ARGS_REQ(1));
    mrb_define_class_method(mrb, module, "mktmpdir", make_temporary, MRB_ARGS_NONE());
    mrb_define_class_method(mrb, module, "rm_r", remove_all, MRB_ARGS_REQ(1));
    mrb_define_class_method(mrb, module, "chdir", change_directory, MRB_ARGS_REQ(1));
    mrb_define_class_method(mrb, module, "chmod", change_mode, MRB_ARGS_REQ(2));
    mrb_define_class_method(mrb, module, "root?", is_root, MRB_ARGS_NONE());
    mrb_define_class_method(mrb, module, "allocated", allocated, MRB_ARGS_NONE());
    mrb_define_class_method(mrb, module, "load_with_self", load_with_self, MRB_ARGS_REQ(2));
    mrb_define_class_method(mrb, module, "require_file", require_file, MRB_ARGS_REQ(1));
    mrb_define_class_method(mrb, module, "check_file", check_file, MRB_ARGS_REQ(1));
}
