/*
 * One file of Ruby that is run again and again: a script of an app, a hook. It runs at top level: constants and methods
 * go to Object, its local variables are new at each run, `return` ends it.
 */
#ifndef COWHERD_SCRIPT_H
#define COWHERD_SCRIPT_H

#include <stdbool.h>
#include <sys/stat.h>

#include <mruby.h>

#include "strbuf.h"
#include "vm.h"

struct script;

/*
 * `path` is absolute, and becomes the script's __FILE__ when it has no real path. `cache`: its code stays as
 * script_load (or else the first run) has compiled it, in the mold a part of the frozen heap. Otherwise each run looks
 * at the file first, and compiles it anew when that is another or has changed.
 */
struct script *script_new(struct vm *vm, const char *path, bool cache);

/* Before its interpreter is closed. NULL is allowed. */
void script_free(struct script *script);

/* Compiles it now. false: `error` has the exception's description, with "file:line:column: text" of a syntax error. */
bool script_load(struct script *script, struct strbuf *error);

/* The same of what `fd` reads, which is closed. */
bool script_load_fd(struct script *script, int fd, struct strbuf *error);

/* As vm_call: *result is the value of the last expression. A file that can't be read raises LoadError, one that does
 * not compile SyntaxError. */
bool script_run(struct script *script, mrb_value self, mrb_value *result);

/* The same from protected code: raises. */
mrb_value script_call(mrb_state *mrb, struct script *script, mrb_value self);

/*
 * For who opens the file himself: true when what `status` (of fstat(2)) says is not what the code was compiled from, or
 * there is no code.
 */
bool script_is_stale(const struct script *script, const struct stat *status);

/* Compiles what `fd` reads and closes it. From protected code: raises; the script has no code then. */
void script_compile(mrb_state *mrb, struct script *script, int fd);

/* Runs the code that is there without a look at the file. From protected code: raises. */
mrb_value script_run_code(mrb_state *mrb, const struct script *script, mrb_value self);

#endif
