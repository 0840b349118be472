/* A Ruby file from its bytes to its value. */
#ifndef MRUBY_REQUIRE_SOURCE_H
#define MRUBY_REQUIRE_SOURCE_H

#include <mruby.h>

/* The class, defined when it isn't yet. */
struct RClass *load_error_class(mrb_state *mrb);

/* Raises LoadError "cannot load such file -- path", with `reason` behind it when that isn't NULL. */
mrb_noreturn void raise_load_error(mrb_state *mrb, const char *path, const char *reason);

/* Tells who watches (mruby/require.h) of a file that is looked for; `status` NULL: it is not there. */
struct stat;
void source_tell(const char *path, const struct stat *status);

/* Compiles and runs the file at `path`, which becomes its __FILE__: `self` is its top level's, `target` where its
 * methods and constants go. */
mrb_value source_run(mrb_state *mrb, const char *path, mrb_value self, struct RClass *target);

/*
 * mrb_protect_error, and back in the fiber that it was called in, which an exception may have left. TRUE: *result is
 * the exception.
 */
mrb_bool protect(mrb_state *mrb, mrb_value (*body)(mrb_state *mrb, void *data), void *data, mrb_value *result);

#endif
