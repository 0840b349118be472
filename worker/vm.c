#include "vm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/error.h>
#include <mruby/require.h>
#include <mruby/string.h>

#include "heap.h"
#include "log.h"
#include "strbuf.h"
#include "string_hash.h"
#include "vm_random.h"
#include "xalloc.h"

static mrb_value define_basics(mrb_state *mrb, void *data)
{
    (void)data;
    vm_random_define(mrb);
    string_hash_define(mrb);
    return mrb_nil_value();
}

struct vm *vm_open(const char *name)
{
    struct vm *vm = xcalloc(1, sizeof *vm);
    mrb_value result;

    vm->name = xstrdup(name);
    vm->mrb = heap_open();
    if (vm->mrb == NULL) {
        log_warnx("%s: the interpreter could not be opened", name);
        vm_close(vm);
        return NULL;
    }
    vm->mrb->ud = vm;
    vm->mrb->c->cibase->pc = NULL; /* the Ruby of the last gem is nobody's caller */

    int arena = mrb_gc_arena_save(vm->mrb);
    bool defined = vm_call(vm, define_basics, NULL, &result);
    mrb_gc_arena_restore(vm->mrb, arena);
    if (!defined) {
        log_warnx("%s: the interpreter could not be prepared", name);
        vm_close(vm);
        return NULL;
    }
    return vm;
}

void vm_close(struct vm *vm)
{
    if (vm == NULL)
        return;
    if (vm->mrb != NULL)
        heap_close(vm->mrb);
    free(vm->name);
    free(vm);
}

static mrb_value stray_break(mrb_state *mrb, void *data)
{
    (void)data;
    return mrb_exc_new_lit(mrb, mrb_class_get(mrb, "LocalJumpError"), "break from proc-closure");
}

bool vm_call(struct vm *vm, mrb_value (*body)(mrb_state *mrb, void *data), void *data, mrb_value *result)
{
    mrb_state *mrb = vm->mrb;
    struct mrb_context *context = mrb->c;
    mrb_bool failed;

    *result = mrb_protect_error(mrb, body, data, &failed);
    mrb->exc = NULL;
    mrb->code_fetch_hook = NULL; /* a time-out that came too late for this call */
    if (mrb->c != context) {
        mrb->c->status = MRB_FIBER_TERMINATED;
        context->status = MRB_FIBER_RUNNING;
        mrb->c = context;
    }
    if (failed && mrb_type(*result) == MRB_TT_BREAK)
        *result = mrb_protect_error(mrb, stray_break, NULL, &failed);
    else if (!failed)
        return true;
    return false;
}

struct load {
    const char *path;
    mrb_value self;
};

static mrb_value load_body(mrb_state *mrb, void *data)
{
    const struct load *load = data;

    return mrb_require_load(mrb, load->path, load->self);
}

bool vm_load_file(struct vm *vm, const char *path, mrb_value self, mrb_value *result)
{
    struct load load = { .path = path, .self = self };

    return vm_call(vm, load_body, &load, result);
}

static mrb_value require_body(mrb_state *mrb, void *data)
{
    return mrb_bool_value(mrb_require_file(mrb, data));
}

bool vm_require_file(struct vm *vm, const char *path, mrb_value *result)
{
    return vm_call(vm, require_body, (void *)path, result);
}

struct check {
    const char *path;
    struct strbuf *errors;
    mrb_value exception;
};

static mrb_value check_body(mrb_state *mrb, void *data)
{
    const struct check *check = data;

    mrb_require_check(mrb, check->path);
    return mrb_nil_value();
}

/* Only a syntax error says its places itself. */
static mrb_value report_check(mrb_state *mrb, void *data)
{
    const struct check *check = data;
    mrb_value message = mrb_obj_as_string(mrb, check->exception);

    if (!mrb_obj_is_kind_of(mrb, check->exception, mrb_class_get(mrb, "SyntaxError")))
        strbuf_printf(check->errors, "%s:1:1: ", check->path);
    strbuf_append(check->errors, RSTRING_PTR(message), (size_t)RSTRING_LEN(message));
    strbuf_puts(check->errors, "\n");
    return mrb_nil_value();
}

bool vm_check_file(const char *path, struct strbuf *errors)
{
    struct check check = { .path = path, .errors = errors };
    mrb_bool failed = TRUE;
    mrb_bool unreported = TRUE;

    if (access(path, R_OK) == -1) {
        strbuf_printf(errors, "%s:1:1: cannot be read: %s\n", path, strerror(errno));
        return false;
    }
    mrb_state *mrb = mrb_open_core(NULL, NULL);
    if (mrb != NULL) {
        check.exception = mrb_protect_error(mrb, check_body, &check, &failed);
        if (failed)
            mrb_protect_error(mrb, report_check, &check, &unreported);
    }
    if (failed && unreported)
        strbuf_printf(errors, "%s:1:1: out of memory\n", path);
    mrb_close(mrb);
    return !failed;
}
