#include "require_source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mruby/class.h>
#include <mruby/compile.h>
#include <mruby/error.h>
#include <mruby/proc.h>
#include <mruby/require.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include "require_backtrace.h"

#define FILE_SIZE_MAX (64 << 20)

struct RClass *load_error_class(mrb_state *mrb)
{
    return mrb_define_class(mrb, "LoadError", mrb_class_get(mrb, "ScriptError"));
}

mrb_noreturn void raise_load_error(mrb_state *mrb, const char *path, const char *reason)
{
    mrb_value message = mrb_format(mrb, "cannot load such file -- %s", path);
    mrb_value error;

    if (reason != NULL)
        message = mrb_format(mrb, "%v (%s)", message, reason);
    error = mrb_exc_new_str(mrb, load_error_class(mrb), message);
    mrb_iv_set(mrb, error, mrb_intern_lit(mrb, "@path"), mrb_str_new_cstr(mrb, path));
    mrb_exc_raise(mrb, error);
}

mrb_bool protect(mrb_state *mrb, mrb_value (*body)(mrb_state *mrb, void *data), void *data, mrb_value *result)
{
    struct mrb_context *context = mrb->c;
    mrb_bool failed;

    *result = mrb_protect_error(mrb, body, data, &failed);
    if (mrb->c != context) {
        mrb->c->status = MRB_FIBER_TERMINATED;
        context->status = MRB_FIBER_RUNNING;
        mrb->c = context;
    }
    return failed;
}

struct source {
    const char *path;
    char *text;
    size_t length;
    mrb_state *mrb;
    mrb_value messages;
};

/* 0, or an errno. `text` is the caller's to free, in both cases. */
static int read_text(struct source *source, int fd)
{
    struct stat status;

    if (fstat(fd, &status) == -1)
        return errno;
    if (!S_ISREG(status.st_mode))
        return S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
    if (status.st_size > FILE_SIZE_MAX)
        return EFBIG;

    size_t size = (size_t)status.st_size;
    source->text = mrb_malloc_simple(source->mrb, size + 1);
    if (source->text == NULL)
        return ENOMEM;
    while (source->length < size) {
        ssize_t count = read(fd, source->text + source->length, size - source->length);
        if (count == -1 && errno == EINTR)
            continue;
        if (count == -1)
            return errno;
        if (count == 0)
            break;
        source->length += (size_t)count;
    }
    return 0;
}

static mrb_value describe_errors(mrb_state *mrb, const struct mrb_parser_state *parser, const char *path)
{
    size_t kept = sizeof parser->error_buffer / sizeof parser->error_buffer[0];
    mrb_value lines = mrb_str_new(mrb, NULL, 0);

    for (size_t i = 0; i < parser->nerr && i < kept; i++) {
        const struct mrb_parser_message *message = &parser->error_buffer[i];
        if (message->message == NULL)
            continue;
        if (RSTRING_LEN(lines) > 0)
            mrb_str_cat_lit(mrb, lines, "\n");
        mrb_str_cat_str(mrb, lines,
                        mrb_format(mrb, "%s:%d:%d: %s", path, (int)message->lineno, message->column, message->message));
    }
    if (parser->nerr > kept)
        mrb_str_cat_str(mrb, lines, mrb_format(mrb, "\n%s: %d more errors", path, (int)(parser->nerr - kept)));
    if (RSTRING_LEN(lines) == 0)
        mrb_str_cat_str(mrb, lines, mrb_format(mrb, "%s:1:1: no code could be generated for this file", path));
    return lines;
}

struct parse {
    struct source source;
    mrb_ccontext *context;
    struct mrb_parser_state *parser;
};

/* The code as a Proc, or the text of the errors as a String. */
static mrb_value parse_body(mrb_state *mrb, void *data)
{
    struct parse *parse = data;
    const struct source *source = &parse->source;
    struct RProc *proc = NULL;

    parse->context = mrb_ccontext_new(mrb);
    mrb_ccontext_filename(mrb, parse->context, source->path);
    parse->context->capture_errors = TRUE;
    parse->context->lineno = 1;

    size_t mark = source->length >= 3 && memcmp(source->text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    parse->parser = mrb_parse_nstring(mrb, source->text + mark, source->length - mark, parse->context);
    if (parse->parser == NULL)
        return mrb_format(mrb, "%s:1:1: this file could not be parsed", source->path);
    if (parse->parser->nerr == 0)
        proc = mrb_generate_code(mrb, parse->parser);
    if (proc == NULL)
        return describe_errors(mrb, parse->parser, source->path);
    return mrb_obj_value(proc);
}

static struct RProc *source_compile_fd(mrb_state *mrb, int fd, const char *path)
{
    struct parse parse = { .source = { .path = path, .mrb = mrb } };
    mrb_value result = mrb_nil_value();
    mrb_bool failed = FALSE;

    int error = read_text(&parse.source, fd);
    close(fd);
    if (error == 0)
        failed = protect(mrb, parse_body, &parse, &result);
    mrb->exc = NULL;
    if (parse.parser != NULL)
        mrb_parser_free(parse.parser);
    if (parse.context != NULL)
        mrb_ccontext_free(mrb, parse.context);
    mrb_free(mrb, parse.source.text);
    if (error != 0)
        raise_load_error(mrb, path, error == ENOENT ? NULL : strerror(error));
    if (failed)
        mrb_exc_raise(mrb, result);
    if (mrb_string_p(result)) {
        result = mrb_exc_new_str(mrb, mrb_class_get(mrb, "SyntaxError"), result);
        mrb_iv_set(mrb, result, mrb_intern_lit(mrb, "@path"), mrb_str_new_cstr(mrb, path));
        mrb_exc_raise(mrb, result);
    }

    struct RProc *proc = mrb_proc_ptr(result);
    if (!backtrace_keeps_code())
        mrb_gc_register(mrb, result);
    return proc;
}

/* For the whole process: files are files, whichever interpreter loads them. */
static mrb_require_watcher *watcher;

MRB_API void mrb_require_watch(mrb_require_watcher *wanted)
{
    watcher = wanted;
}

void source_tell(const char *path, const struct stat *status)
{
    static const struct stat missing;

    if (watcher != NULL)
        watcher(path, status != NULL ? status : &missing);
}

static struct RProc *source_compile(mrb_state *mrb, const char *path)
{
    /* O_NONBLOCK: opening a FIFO must not wait for its writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;

    if (fd == -1) {
        int error = errno;
        source_tell(path, NULL);
        raise_load_error(mrb, path, error == ENOENT ? NULL : strerror(error));
    }
    if (watcher != NULL && fstat(fd, &status) == 0)
        source_tell(path, &status);
    return source_compile_fd(mrb, fd, path);
}

enum { FRAME_CODE, FRAME_TARGET, FRAME_VALUES };

/* The frame that a file's own stands on has no method's name: the file's would take it over. */
static mrb_value run_in_frame(mrb_state *mrb, mrb_value self)
{
    mrb_value code = mrb_proc_cfunc_env_get(mrb, FRAME_CODE);
    struct RClass *target = mrb_class_ptr(mrb_proc_cfunc_env_get(mrb, FRAME_TARGET));

    return mrb_yield_with_class(mrb, code, 0, NULL, self, target);
}

static mrb_value new_frame(mrb_state *mrb, struct RProc *code, struct RClass *target)
{
    mrb_value values[FRAME_VALUES] = { [FRAME_CODE] = mrb_obj_value(code), [FRAME_TARGET] = mrb_obj_value(target) };
    struct RProc *frame = mrb_proc_new_cfunc_with_env(mrb, run_in_frame, FRAME_VALUES, values);

    MRB_PROC_SET_TARGET_CLASS(code, target);
    MRB_PROC_ENV(frame)->mid = 0;
    return mrb_obj_value(frame);
}

MRB_API mrb_value mrb_require_run(mrb_state *mrb, mrb_value code, mrb_value self)
{
    return mrb_yield_with_class(mrb, code, 0, NULL, self, mrb->object_class);
}

mrb_value source_run(mrb_state *mrb, const char *path, mrb_value self, struct RClass *target)
{
    return mrb_require_run(mrb, new_frame(mrb, source_compile(mrb, path), target), self);
}

MRB_API mrb_value mrb_require_compile(mrb_state *mrb, int fd, const char *path)
{
    return new_frame(mrb, source_compile_fd(mrb, fd, path), mrb->object_class);
}

MRB_API void mrb_require_check(mrb_state *mrb, const char *path)
{
    source_compile(mrb, path);
}
