#include "rack_errors.h"

#include <string.h>

#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/server_api.h>
#include <mruby/string.h>

#include "log.h"

#define LINE_MAX_LENGTH 8192 /* an endless line is logged in pieces of this size */

static const char *app_name(const struct vm *vm)
{
    return vm->rack->exchange != NULL ? vm->rack->exchange->app->config->name : vm->name;
}

static void emit(struct vm *vm, size_t length)
{
    struct strbuf *line = &vm->rack->errors_line;

    log_app(LOG_LEVEL_WARN, app_name(vm), line->data, length);
    strbuf_consume(line, length);
}

/* Server.log of scripts: whole lines, with the levels of nginx. */
static void log_server(mrb_state *mrb, enum mrb_server_log_level level, const char *text, mrb_int length)
{
    static const enum log_level levels[] = {
        [MRB_SERVER_LOG_STDERR] = LOG_LEVEL_ERROR, [MRB_SERVER_LOG_EMERG] = LOG_LEVEL_ERROR,
        [MRB_SERVER_LOG_ALERT] = LOG_LEVEL_ERROR,  [MRB_SERVER_LOG_CRIT] = LOG_LEVEL_ERROR,
        [MRB_SERVER_LOG_ERR] = LOG_LEVEL_ERROR,    [MRB_SERVER_LOG_WARN] = LOG_LEVEL_WARN,
        [MRB_SERVER_LOG_NOTICE] = LOG_LEVEL_INFO,  [MRB_SERVER_LOG_INFO] = LOG_LEVEL_INFO,
        [MRB_SERVER_LOG_DEBUG] = LOG_LEVEL_DEBUG,
    };

    log_app(levels[level], app_name(vm_of(mrb)), text, (size_t)length);
}

void rack_errors_flush(struct vm *vm)
{
    if (vm->rack->errors_line.length > 0)
        emit(vm, vm->rack->errors_line.length);
}

static void append(struct vm *vm, const char *text, size_t length)
{
    struct strbuf *line = &vm->rack->errors_line;

    strbuf_append(line, text, length);
    if (line->length == 0)
        return;

    const char *last = memrchr(line->data, '\n', line->length);
    if (last != NULL) {
        size_t complete = (size_t)(last - line->data);
        emit(vm, complete);
        strbuf_consume(line, 1);
    }
    while (line->length >= LINE_MAX_LENGTH)
        emit(vm, LINE_MAX_LENGTH);
}

static mrb_int write_one(mrb_state *mrb, mrb_value text)
{
    text = mrb_obj_as_string(mrb, text);
    append(vm_of(mrb), RSTRING_PTR(text), (size_t)RSTRING_LEN(text));
    return RSTRING_LEN(text);
}

static mrb_value errors_write(mrb_state *mrb, mrb_value self)
{
    const mrb_value *texts;
    mrb_int count, written = 0;

    (void)self;
    mrb_get_args(mrb, "*", &texts, &count);
    for (mrb_int i = 0; i < count; i++)
        written += write_one(mrb, texts[i]);
    return mrb_int_value(mrb, written);
}

static mrb_value errors_append(mrb_state *mrb, mrb_value self)
{
    write_one(mrb, mrb_get_arg1(mrb));
    return self;
}

static void put_line(mrb_state *mrb, mrb_value text, int depth)
{
    if (mrb_array_p(text) && depth < 16) {
        for (mrb_int i = 0; i < RARRAY_LEN(text); i++)
            put_line(mrb, RARRAY_PTR(text)[i], depth + 1);
        return;
    }
    text = mrb_obj_as_string(mrb, text);
    append(vm_of(mrb), RSTRING_PTR(text), (size_t)RSTRING_LEN(text));
    if (RSTRING_LEN(text) == 0 || RSTRING_PTR(text)[RSTRING_LEN(text) - 1] != '\n')
        append(vm_of(mrb), "\n", 1);
}

static mrb_value errors_puts(mrb_state *mrb, mrb_value self)
{
    const mrb_value *texts;
    mrb_int count;

    (void)self;
    mrb_get_args(mrb, "*", &texts, &count);
    for (mrb_int i = 0; i < count; i++)
        put_line(mrb, texts[i], 0);
    if (count == 0)
        append(vm_of(mrb), "\n", 1);
    return mrb_nil_value();
}

static mrb_value errors_flush(mrb_state *mrb, mrb_value self)
{
    rack_errors_flush(vm_of(mrb));
    return self;
}

void rack_errors_define(mrb_state *mrb, struct rack *rack)
{
    struct RClass *class = mrb_define_class_under(mrb, mrb_module_get(mrb, "Cowherd"), "Errors", mrb->object_class);

    mrb_define_method(mrb, class, "puts", errors_puts, MRB_ARGS_ANY());
    mrb_define_method(mrb, class, "write", errors_write, MRB_ARGS_ANY());
    mrb_define_method(mrb, class, "<<", errors_append, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "flush", errors_flush, MRB_ARGS_NONE());
    rack->errors = mrb_obj_new(mrb, class, 0, NULL);
    mrb_gc_register(mrb, rack->errors);
    mrb_server_set_log(mrb, log_server);
}
