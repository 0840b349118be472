#include "vm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/compile.h>
#include <mruby/error.h>
#include <mruby/internal.h>
#include <mruby/proc.h>
#include <mruby/string.h>

#include "heap.h"
#include "log.h"
#include "strbuf.h"
#include "vm_random.h"
#include "xalloc.h"

#define FILE_SIZE_MAX (64 << 20)
#define DESCRIBED_MESSAGE_MAX 16384
#define DESCRIBED_FRAMES_MAX 100

static mrb_value define_basics(mrb_state *mrb, void *data)
{
    (void)data;
    mrb_define_class(mrb, "LoadError", mrb_class_get(mrb, "ScriptError"));
    vm_random_define(mrb);
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

/* 0, or -1 with errno. `text` is the caller's to free. */
static int read_file(const char *path, char **text, size_t *length)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    *text = NULL;
    if (fd == -1)
        return -1;
    if (fstat(fd, &status) == -1)
        goto failed;
    errno = S_ISDIR(status.st_mode) ? EISDIR : status.st_size > FILE_SIZE_MAX ? EFBIG : EINVAL;
    if (!S_ISREG(status.st_mode) || status.st_size > FILE_SIZE_MAX)
        goto failed;

    size_t size = (size_t)status.st_size;
    *text = xmalloc(size + 1);
    *length = 0;
    while (*length < size) {
        ssize_t count = read(fd, *text + *length, size - *length);
        if (count == -1 && errno == EINTR)
            continue;
        if (count == -1)
            goto failed;
        if (count == 0)
            break;
        *length += (size_t)count;
    }
    (*text)[*length] = '\0';
    close(fd);
    return 0;

failed:;
    int saved_errno = errno;
    free(*text);
    *text = NULL;
    close(fd);
    errno = saved_errno;
    return -1;
}

static void report_errors(const struct mrb_parser_state *parser, const char *path, struct strbuf *errors)
{
    size_t kept = sizeof parser->error_buffer / sizeof parser->error_buffer[0];

    for (size_t i = 0; i < parser->nerr && i < kept; i++) {
        const struct mrb_parser_message *message = &parser->error_buffer[i];
        if (message->message == NULL)
            continue;
        strbuf_printf(errors, "%s:%u:%d: %s\n", path, (unsigned)message->lineno, message->column, message->message);
    }
    if (parser->nerr > kept)
        strbuf_printf(errors, "%s: %zu more errors\n", path, parser->nerr - kept);
}

/* The code of a file, or NULL with lines in `errors`. Not protected by itself: may raise when memory is out. */
static struct RProc *compile(mrb_state *mrb, const char *path, const char *text, size_t length, struct strbuf *errors)
{
    mrb_ccontext *context = mrb_ccontext_new(mrb);
    struct RProc *proc = NULL;

    mrb_ccontext_filename(mrb, context, path);
    context->capture_errors = TRUE;
    context->lineno = 1;

    size_t mark = length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    struct mrb_parser_state *parser = mrb_parse_nstring(mrb, text + mark, length - mark, context);

    if (parser != NULL && parser->nerr == 0)
        proc = mrb_generate_code(mrb, parser);
    if (proc == NULL) {
        size_t before = errors->length;
        if (parser != NULL)
            report_errors(parser, path, errors);
        if (errors->length == before)
            strbuf_printf(errors, "%s:1:1: no code could be generated for this file\n", path);
    }
    if (parser != NULL)
        mrb_parser_free(parser);
    mrb_ccontext_free(mrb, context);
    mrb->exc = NULL;
    return proc;
}

struct load {
    const char *path;
    char *text;
    size_t length;
    mrb_value self;
    struct RProc *proc;
    struct strbuf errors;
};

/* Stands as a frame of its own below the file's code: code that runs in the base frame would share its variables. */
static mrb_value run_in_frame(mrb_state *mrb, mrb_value unused)
{
    const struct load *load = mrb_cptr(mrb_get_arg1(mrb));

    (void)unused;
    return mrb_exec_irep(mrb, load->self, load->proc);
}

static mrb_value load_body(mrb_state *mrb, void *data)
{
    struct load *load = data;

    if (load->text == NULL)
        mrb_raisef(mrb, mrb_class_get(mrb, "LoadError"), "cannot load %s: %s", load->path, strerror(errno));
    load->proc = compile(mrb, load->path, load->text, load->length, &load->errors);
    if (load->proc == NULL) {
        size_t length = load->errors.length;
        while (length > 0 && load->errors.data[length - 1] == '\n')
            length--;
        mrb_exc_raise(mrb, mrb_exc_new(mrb, mrb_class_get(mrb, "SyntaxError"), load->errors.data, (mrb_int)length));
    }
    MRB_PROC_SET_TARGET_CLASS(load->proc, mrb->object_class);
    mrb_gc_register(mrb, mrb_obj_value(load->proc));

    mrb_value frame = mrb_obj_value(mrb_proc_new_cfunc(mrb, run_in_frame));
    mrb_value argument = mrb_cptr_value(mrb, load);
    return mrb_yield_with_class(mrb, frame, 1, &argument, mrb_top_self(mrb), mrb->object_class);
}

bool vm_load_file(struct vm *vm, const char *path, mrb_value self, mrb_value *result)
{
    struct load load = { .path = path, .self = self };

    if (read_file(path, &load.text, &load.length) == -1)
        load.text = NULL;
    bool done = vm_call(vm, load_body, &load, result);
    strbuf_free(&load.errors);
    free(load.text);
    return done;
}

static mrb_value check_body(mrb_state *mrb, void *data)
{
    struct load *load = data;

    return mrb_bool_value(compile(mrb, load->path, load->text, load->length, &load->errors) != NULL);
}

bool vm_check_file(const char *path, struct strbuf *errors)
{
    struct load load = { .path = path };
    mrb_bool failed = FALSE;
    bool compiled = false;

    if (read_file(path, &load.text, &load.length) == -1) {
        strbuf_printf(errors, "%s:1:1: cannot be read: %s\n", path, strerror(errno));
        return false;
    }

    mrb_state *mrb = mrb_open_core(NULL, NULL);
    if (mrb != NULL)
        compiled = mrb_true_p(mrb_protect_error(mrb, check_body, &load, &failed)) && !failed;
    if (!compiled && load.errors.length == 0)
        strbuf_printf(&load.errors, "%s:1:1: out of memory\n", path);
    strbuf_append(errors, load.errors.data != NULL ? load.errors.data : "", load.errors.length);
    mrb_close(mrb);
    strbuf_free(&load.errors);
    free(load.text);
    return compiled;
}

struct description {
    mrb_value exception;
    struct strbuf *out;
};

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

static mrb_value describe_backtrace(mrb_state *mrb, void *data)
{
    const struct description *description = data;
    mrb_value lines = mrb_funcall(mrb, description->exception, "backtrace", 0);
    mrb_int count = mrb_array_p(lines) ? RARRAY_LEN(lines) : 0;

    for (mrb_int i = 0; i < count && i < RARRAY_LEN(lines); i++) {
        mrb_value line = RARRAY_PTR(lines)[i];
        if (i == DESCRIBED_FRAMES_MAX) {
            strbuf_printf(description->out, "\n  ... %lld more", (long long)(count - i));
            break;
        }
        /* A C function that no Ruby code has called: the frame says nothing. */
        if (!mrb_string_p(line) || strncmp(RSTRING_PTR(line), "(unknown):0", strlen("(unknown):0")) == 0)
            continue;
        strbuf_puts(description->out, "\n  ");
        strbuf_append(description->out, RSTRING_PTR(line), (size_t)RSTRING_LEN(line));
    }
    return mrb_nil_value();
}

void vm_describe_exception(struct vm *vm, mrb_value exception, struct strbuf *out)
{
    mrb_state *mrb = vm->mrb;
    struct description description = { .exception = exception, .out = out };
    mrb_value result;

    mrb_gc_protect(mrb, exception);

    int arena = mrb_gc_arena_save(mrb);
    if (!vm_call(vm, describe_message, &description, &result))
        strbuf_puts(out, "(an exception whose message raises another)");
    if (!vm_call(vm, describe_class, &description, &result))
        strbuf_puts(out, " (of a class without a name)");
    if (!vm_call(vm, describe_backtrace, &description, &result))
        strbuf_puts(out, "\n  (its backtrace raises an exception)");
    mrb_gc_arena_restore(mrb, arena);

    /* Kept, this backtrace would be shown for the next overflow, too. */
    if (is_stack_error(mrb, exception))
        mrb_exc_ptr(exception)->backtrace = NULL;
}
