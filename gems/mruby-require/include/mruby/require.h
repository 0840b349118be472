/*
 * Loading Ruby files from C. All of these raise: LoadError (with `path`) when a file can't be read, SyntaxError whose
 * message has one "path:line:column: text" a line, and what the file itself raises.
 *
 * __FILE__ and backtraces carry the file's real path. Its code is freed when neither a method nor a block of it is
 * left, and no exception whose backtrace goes through it.
 */
#ifndef MRUBY_REQUIRE_H
#define MRUBY_REQUIRE_H

#include <mruby.h>

MRB_BEGIN_DECL

/*
 * Runs the file with `self` as its top level's; constants and methods go to Object, local variables don't leak. The
 * value of its last expression. `path` is opened as it is: nothing is searched for or added.
 */
MRB_API mrb_value mrb_require_load(mrb_state *mrb, const char *path, mrb_value self);

/*
 * Runs the file as `require` does, unless it was required before: then FALSE. `path` is opened as it is. What raises is
 * forgotten again and may be tried anew.
 */
MRB_API mrb_bool mrb_require_file(mrb_state *mrb, const char *path);

/*
 * Compiles the file that `fd` reads, under the name `path`: a Proc for mrb_require_run, which the caller protects from
 * the collector for as long as it is wanted. `fd` is closed, also when this raises.
 */
MRB_API mrb_value mrb_require_compile(mrb_state *mrb, int fd, const char *path);

/*
 * Runs such a Proc, any number of times, as mrb_require_load runs a file: its local variables are new each time. Writes
 * nothing to the Proc.
 */
MRB_API mrb_value mrb_require_run(mrb_state *mrb, mrb_value code, mrb_value self);

/* Compiles the file under the name `path` and doesn't run it. `mrb` may be one without gems (mrb_open_core). */
MRB_API void mrb_require_check(mrb_state *mrb, const char *path);

/*
 * From now on, in whichever interpreter of this process: each file that is loaded by its name is told before it is
 * compiled, with what it was when it was opened, and each that was looked for and is not there (all zero). NULL: no
 * more.
 */
struct stat;
typedef void mrb_require_watcher(const char *path, const struct stat *status);
MRB_API void mrb_require_watch(mrb_require_watcher *watcher);

MRB_END_DECL

#endif
