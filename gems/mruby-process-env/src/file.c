/* Calls of the system that the core's File and Dir lack. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* FNM_CASEFOLD */
#endif
#include "parts.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mruby/class.h>
#include <mruby/error.h>
#include <mruby/string.h>

/* access(2), for the effective user. */
static mrb_value may(mrb_state *mrb, int mode)
{
    mrb_value path;

    mrb_get_args(mrb, "o", &path);
    return mrb_bool_value(faccessat(AT_FDCWD, path_of(mrb, path), mode, AT_EACCESS) == 0);
}

static mrb_value file_readable(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return may(mrb, R_OK);
}

static mrb_value file_writable(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return may(mrb, W_OK);
}

static mrb_value file_executable(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return may(mrb, X_OK);
}

static mrb_value file_link(mrb_state *mrb, mrb_value self)
{
    mrb_value from, to;

    (void)self;
    mrb_get_args(mrb, "oo", &from, &to);
    const char *name = path_of(mrb, from);
    if (link(name, path_of(mrb, to)) == -1)
        mrb_sys_fail(mrb, name);
    return mrb_fixnum_value(0);
}

static mrb_value file_mkfifo(mrb_state *mrb, mrb_value self)
{
    mrb_value path;
    mrb_int mode = 0666;

    (void)self;
    mrb_get_args(mrb, "o|i", &path, &mode);
    const char *name = path_of(mrb, path);
    if (mkfifo(name, (mode_t)mode) == -1)
        mrb_sys_fail(mrb, name);
    return mrb_fixnum_value(0);
}

static mrb_value file_s_truncate(mrb_state *mrb, mrb_value self)
{
    mrb_value path;
    mrb_int length;

    (void)self;
    mrb_get_args(mrb, "oi", &path, &length);
    const char *name = path_of(mrb, path);
    if (truncate(name, (off_t)length) == -1)
        mrb_sys_fail(mrb, name);
    return mrb_fixnum_value(0);
}

static struct timespec timespec_of(mrb_state *mrb, mrb_value time)
{
    if (mrb_nil_p(time))
        return (struct timespec){ .tv_nsec = UTIME_NOW };

    double seconds = mrb_as_float(mrb, mrb_funcall(mrb, time, "to_f", 0));
    double whole = floor(seconds);
    return (struct timespec){ .tv_sec = (time_t)whole, .tv_nsec = (long)((seconds - whole) * 1e9) };
}

static mrb_value file_utime(mrb_state *mrb, mrb_value self)
{
    mrb_value atime, mtime;
    const mrb_value *paths;
    mrb_int count;

    (void)self;
    mrb_get_args(mrb, "oo*", &atime, &mtime, &paths, &count);
    struct timespec times[2] = { timespec_of(mrb, atime), timespec_of(mrb, mtime) };
    for (mrb_int i = 0; i < count; i++) {
        const char *name = path_of(mrb, paths[i]);
        if (utimensat(AT_FDCWD, name, times, 0) == -1)
            mrb_sys_fail(mrb, name);
    }
    return mrb_int_value(mrb, count);
}

/* Of one path component: libc's rules for *, ?, [] and leading dots are Ruby's. */
static mrb_value file_match_name(mrb_state *mrb, mrb_value self)
{
    mrb_value pattern, name;
    mrb_int flags;

    (void)self;
    mrb_get_args(mrb, "ooi", &pattern, &name, &flags);
    const char *pattern_text = path_of(mrb, pattern);
    return mrb_bool_value(fnmatch(pattern_text, path_of(mrb, name), (int)flags) == 0);
}

/* The name of a new folder, which begins and ends so. */
static mrb_value dir_make_temporary(mrb_state *mrb, mrb_value self)
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuv";
    mrb_value beginning, end;
    unsigned char random[10];

    (void)self;
    mrb_get_args(mrb, "oo", &beginning, &end);
    path_of(mrb, beginning);
    path_of(mrb, end);
    for (;;) {
        mrb_value path = mrb_str_dup(mrb, beginning);
        if (getrandom(random, sizeof random, 0) != sizeof random)
            mrb_sys_fail(mrb, "getrandom");
        for (size_t i = 0; i < sizeof random; i++)
            mrb_str_cat(mrb, path, &letters[random[i] % 32], 1);
        mrb_str_cat_str(mrb, path, end);
        if (mkdir(RSTRING_CSTR(mrb, path), 0700) == 0)
            return path;
        if (errno != EEXIST)
            mrb_sys_fail(mrb, RSTRING_CSTR(mrb, beginning));
    }
}

void file_define(mrb_state *mrb)
{
    struct RClass *file = mrb_class_get(mrb, "File");
    struct RClass *constants = mrb_module_get_under(mrb, file, "Constants");

    mrb_define_const(mrb, constants, "FNM_NOESCAPE", mrb_int_value(mrb, FNM_NOESCAPE));
    mrb_define_const(mrb, constants, "FNM_PATHNAME", mrb_int_value(mrb, FNM_PATHNAME));
    mrb_define_const(mrb, constants, "FNM_DOTMATCH", mrb_int_value(mrb, FNM_PERIOD));
    mrb_define_const(mrb, constants, "FNM_CASEFOLD", mrb_int_value(mrb, FNM_CASEFOLD));
    mrb_define_class_method(mrb, file, "readable?", file_readable, MRB_ARGS_REQ(1));
    mrb_define_class_method(mrb, file, "writable?", file_writable, MRB_ARGS_REQ(1));
    mrb_define_class_method(mrb, file, "executable?", file_executable, MRB_ARGS_REQ(1));
    mrb_define_class_method(mrb, file, "link", file_link, MRB_ARGS_REQ(2));
    mrb_define_class_method(mrb, file, "mkfifo", file_mkfifo, MRB_ARGS_ARG(1, 1));
    mrb_define_class_method(mrb, file, "truncate", file_s_truncate, MRB_ARGS_REQ(2));
    mrb_define_class_method(mrb, file, "utime", file_utime, MRB_ARGS_REQ(2) | MRB_ARGS_REST());
    mrb_define_class_method(mrb, file, "_match_name", file_match_name, MRB_ARGS_REQ(3));
    mrb_define_class_method(mrb, mrb_class_get(mrb, "Dir"), "_make_temporary", dir_make_temporary, MRB_ARGS_REQ(2));
}
