/*
 * An interpreter (mrb_state) at arm's length: every call into Ruby goes through here, so that exceptions become values,
 * the arena is restored and mrb->exc is clear afterwards. A pool's interpreters live as long as the mold and its
 * workers.
 */
#ifndef COWHERD_VM_H
#define COWHERD_VM_H

#include <stdbool.h>

#include <mruby.h>

struct rack;
struct strbuf;

struct vm {
    mrb_state *mrb;    /* mrb->ud is this struct */
    char *name;        /* the shared interpreter's name, or the app's */
    struct rack *rack; /* rack_define's; NULL before */
    uint32_t symbols;  /* vm_new_symbols has counted so many */
};

/* The interpreter that `mrb` belongs to. */
static inline struct vm *vm_of(mrb_state *mrb)
{
    return mrb->ud;
}

/* Symbols that were interned since the last call. mruby never frees one. */
static inline uint32_t vm_new_symbols(struct vm *vm)
{
    uint32_t before = vm->symbols;

    vm->symbols = vm->mrb->symidx;
    return vm->symbols - before;
}

/* Opens an interpreter with all gems of the build. NULL when that failed (logged). */
struct vm *vm_open(const char *name);
void vm_close(struct vm *vm);

/*
 * Runs `body(mrb, data)` protected. true: *result is its value. false: an exception came out; *result is the exception
 * (always one: a stray break becomes a LocalJumpError). `exit` is an exception like any other, SystemExit.
 * In both cases the arena is as before, but *result is kept alive until the caller restores the arena or `vm_call` is
 * entered again from the top; register it to keep it longer.
 */
bool vm_call(struct vm *vm, mrb_value (*body)(mrb_state *mrb, void *data), void *data, mrb_value *result);

/*
 * Parses and runs a file, as vm_call: `self` is its top-level self, *result the value of its last expression. What else
 * holds, and what is raised, says <mruby/require.h>.
 */
bool vm_load_file(struct vm *vm, const char *path, mrb_value self, mrb_value *result);

/* The same as a feature: a file that was required before isn't run again, nor will it be by `require`. */
bool vm_require_file(struct vm *vm, const char *path, mrb_value *result);

/* Parses only. true when the file compiles; else appends "path:line:column: text" lines to `errors`. */
bool vm_check_file(const char *path, struct strbuf *errors);

/*
 * Appends "message (Class)" and the backtrace, one "  file:line:in method" a line, of an exception (no newline at the
 * end). Never raises: when the app's own `message` raises, says so. Returns where in `out` the backtrace begins.
 */
size_t vm_describe_exception(struct vm *vm, mrb_value exception, struct strbuf *out);

/* Appends where the running Ruby code is, as the backtrace above. */
void vm_describe_place(struct vm *vm, struct strbuf *out);

/*
 * After a fork: new state for Ruby's Random from getrandom(2), for the default generator and for every other one that
 * was made without a seed so far.
 */
void vm_reseed(struct vm *vm);

#endif
