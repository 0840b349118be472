/* What people are told of an exception. */
#include "vm.h"

#include <string.h>
#include <sys/resource.h>

#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/error.h>
#include <mruby/internal.h>
#include <mruby/string.h>

#include "strbuf.h"
#include "time_out.h"

#define DESCRIBED_MESSAGE_MAX 16384
#define DESCRIBED_FRAMES_MAX 100

struct description {
    mrb_value exception;
    struct strbuf *out;
};

/* Made ahead, for nothing can be allocated when it is raised. */
static bool is_memory_error(const mrb_state *mrb, mrb_value exception)
{
    return mrb_obj_ptr(exception) == mrb->nomem_err;
}

/* Who set the limit that was reached, as the configuration names it; nothing when the machine has no more. */
static void describe_limits(struct strbuf *out)
{
    static const struct {
        __rlimit_resource_t resource;
        const char *name;
    } limits[] = { { RLIMIT_AS, "as" }, { RLIMIT_DATA, "data" } };
    const char *before = ": memory limit (";
    struct rlimit limit;

    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        if (getrlimit(limits[i].resource, &limit) == -1 || limit.rlim_cur == RLIM_INFINITY)
            continue;
        strbuf_printf(out, "%srlimits.%s %.1f MiB", before, limits[i].name, (double)limit.rlim_cur / (1 << 20));
        before = ", ";
    }
    if (before[0] == ',')
        strbuf_puts(out, ") reached");
}

/* One object serves every overflow of the stack; a collection takes its message away. */
static bool is_stack_error(const mrb_state *mrb, mrb_value exception)
{
    return mrb_obj_ptr(exception) == mrb->stack_err;
}

static mrb_value describe_message(mrb_state *mrb, void *data)
{
    const struct description *description = data;

    if (is_stack_error(mrb, description->exception)) {
        strbuf_puts(description->out, "stack level too deep");
        return mrb_nil_value();
    }
    if (is_memory_error(mrb, description->exception)) {
        strbuf_puts(description->out, "out of memory");
        describe_limits(description->out);
        return mrb_nil_value();
    }
    if (mrb_exc_ptr(description->exception)->flags & MRB_EXC_EXIT) {
        strbuf_puts(description->out, "exit was called: this process is not the app's to end");
        return mrb_nil_value();
    }

    mrb_value message = mrb_funcall(mrb, description->exception, "message", 0);

    if (!mrb_string_p(message))
        message = mrb_obj_as_string(mrb, message);

    size_t length = (size_t)RSTRING_LEN(message);
    size_t used = length < DESCRIBED_MESSAGE_MAX ? length : DESCRIBED_MESSAGE_MAX;
    strbuf_append(description->out, RSTRING_PTR(message), used);
    if (used < length)
        strbuf_printf(description->out, "... (%zu bytes more)", length - used);
    return mrb_nil_value();
}

static mrb_value describe_class(mrb_state *mrb, void *data)
{
    const struct description *description = data;

    strbuf_printf(description->out, " (%s)", mrb_obj_classname(mrb, description->exception));
    return mrb_nil_value();
}

static void describe_frames(const mrb_value lines, struct strbuf *out)
{
    mrb_int count = mrb_array_p(lines) ? RARRAY_LEN(lines) : 0;

    for (mrb_int i = 0; i < count && i < RARRAY_LEN(lines); i++) {
        mrb_value line = RARRAY_PTR(lines)[i];
        if (i == DESCRIBED_FRAMES_MAX) {
            strbuf_printf(out, "\n  ... %lld more", (long long)(count - i));
            break;
        }
        /* A C function that no Ruby code has called: the frame says nothing. */
        if (!mrb_string_p(line) || strncmp(RSTRING_PTR(line), "(unknown):0", strlen("(unknown):0")) == 0)
            continue;
        strbuf_puts(out, "\n  ");
        strbuf_append(out, RSTRING_PTR(line), (size_t)RSTRING_LEN(line));
    }
}

static mrb_value describe_backtrace(mrb_state *mrb, void *data)
{
    const struct description *description = data;

    describe_frames(mrb_funcall(mrb, description->exception, "backtrace", 0), description->out);
    return mrb_nil_value();
}

static mrb_value describe_place(mrb_state *mrb, void *data)
{
    describe_frames(mrb_get_backtrace(mrb), data);
    return mrb_nil_value();
}

void vm_describe_place(struct vm *vm, struct strbuf *out)
{
    mrb_value result;
    int arena = mrb_gc_arena_save(vm->mrb);

    vm_call(vm, describe_place, out, &result);
    mrb_gc_arena_restore(vm->mrb, arena);
}

size_t vm_describe_exception(struct vm *vm, mrb_value exception, struct strbuf *out)
{
    mrb_state *mrb = vm->mrb;
    struct description description = { .exception = exception, .out = out };
    mrb_value result;

    mrb_gc_protect(mrb, exception);

    /* What interrupts an app is not for the questions about its exception. */
    mrb->code_fetch_hook = NULL;
    time_out_mask();

    int arena = mrb_gc_arena_save(mrb);
    if (!vm_call(vm, describe_message, &description, &result))
        strbuf_puts(out, "(an exception whose message raises another)");
    if (!vm_call(vm, describe_class, &description, &result))
        strbuf_puts(out, " (of a class without a name)");
    size_t backtrace = out->length;
    if (!vm_call(vm, describe_backtrace, &description, &result))
        strbuf_puts(out, "\n  (its backtrace raises an exception)");
    time_out_unmask();
    mrb_gc_arena_restore(mrb, arena);

    /* Kept, this backtrace would be shown for the next one, too. */
    if (is_stack_error(mrb, exception) || is_memory_error(mrb, exception))
        mrb_exc_ptr(exception)->backtrace = NULL;
    return backtrace;
}
