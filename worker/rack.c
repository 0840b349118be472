#include "rack.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/error.h>
#include <mruby/proc.h>
#include <mruby/variable.h>

#include "answer.h"
#include "error_page.h"
#include "hooks.h"
#include "log.h"
#include "rack_body.h"
#include "rack_env.h"
#include "rack_errors.h"
#include "rack_exchange.h"
#include "rack_failure.h"
#include "rack_hooks.h"
#include "rack_input.h"
#include "rack_response.h"
#include "rack_stream.h"
#include "script_answer.h"
#include "store.h"
#include "time_out.h"
#include "xalloc.h"

struct rack_exchange *rack_exchange_of(mrb_state *mrb, uint64_t serial)
{
    struct rack *rack = rack_of(mrb);

    if (rack->exchange == NULL || rack->serial != serial)
        mrb_raise(mrb, mrb_class_get(mrb, "IOError"), "the request that this belongs to is over");
    return rack->exchange;
}

/* A BasicObject has none at all. */
static bool has_own_respond_to(mrb_state *mrb, mrb_value object)
{
    struct RClass *class = mrb_class(mrb, object);
    mrb_method_t found = mrb_method_search_vm(mrb, &class, rack_of(mrb)->symbols.respond_to);

    return !MRB_METHOD_UNDEF_P(found) &&
           (!MRB_METHOD_CFUNC_P(found) || MRB_METHOD_CFUNC(found) != rack_of(mrb)->respond_to);
}

bool rack_responds(mrb_state *mrb, mrb_value object, mrb_sym method)
{
    mrb_sym respond_to = rack_of(mrb)->symbols.respond_to;

    if (!has_own_respond_to(mrb, object) && mrb_respond_to(mrb, object, method))
        return true;
    return mrb_respond_to(mrb, object, respond_to) &&
           mrb_test(mrb_funcall_id(mrb, object, respond_to, 1, mrb_symbol_value(method)));
}

void rack_each(mrb_state *mrb, mrb_value object, mrb_func_t block)
{
    const struct rack *rack = rack_of(mrb);
    mrb_value serial = mrb_int_value(mrb, (mrb_int)rack->serial);
    mrb_value proc = mrb_obj_value(mrb_proc_new_cfunc_with_env(mrb, block, 1, &serial));
    mrb_value each = mrb_symbol_value(rack->symbols.each);

    /* mrb_funcall_with_block loses the block on its way to method_missing. */
    if (mrb_respond_to(mrb, object, rack->symbols.each))
        mrb_funcall_with_block(mrb, object, rack->symbols.each, 0, NULL, proc);
    else
        mrb_funcall_with_block(mrb, object, rack->symbols.method_missing, 1, &each, proc);
}

struct rack_exchange *rack_block_exchange(mrb_state *mrb)
{
    return rack_exchange_of(mrb, (uint64_t)mrb_integer(mrb_proc_cfunc_env_get(mrb, 0)));
}

static void rack_free(mrb_state *mrb)
{
    struct vm *vm = vm_of(mrb);

    strbuf_free(&vm->rack->errors_line);
    free(vm->rack);
    vm->rack = NULL;
}

static mrb_func_t method_of_kernel(mrb_state *mrb, mrb_sym name)
{
    struct RClass *class = mrb->object_class;
    mrb_method_t found = mrb_method_search_vm(mrb, &class, name);

    return !MRB_METHOD_UNDEF_P(found) && MRB_METHOD_CFUNC_P(found) ? MRB_METHOD_CFUNC(found) : NULL;
}

static mrb_value define(mrb_state *mrb, void *data)
{
    struct rack *rack = data;

    rack_failure_define(mrb);
    rack_env_define(mrb, rack);
    rack_input_define(mrb, rack);
    rack_stream_define(mrb, rack);
    rack_errors_define(mrb, rack);
    rack->logged_env = mrb_nil_value();
    rack->symbols.call = mrb_intern_lit(mrb, "call");
    rack->symbols.close = mrb_intern_lit(mrb, "close");
    rack->symbols.each = mrb_intern_lit(mrb, "each");
    rack->symbols.last_match = mrb_intern_lit(mrb, "$~");
    rack->symbols.method_missing = mrb_intern_lit(mrb, "method_missing");
    rack->symbols.respond_to = mrb_intern_lit(mrb, "respond_to?");
    rack->respond_to = method_of_kernel(mrb, rack->symbols.respond_to);
    rack->symbols.to_ary = mrb_intern_lit(mrb, "to_ary");
    rack->symbols.to_path = mrb_intern_lit(mrb, "to_path");
    return mrb_nil_value();
}

void rack_define(struct vm *vm)
{
    int arena = mrb_gc_arena_save(vm->mrb);
    mrb_value result;

    vm->rack = xcalloc(1, sizeof *vm->rack);
    mrb_state_atexit(vm->mrb, rack_free);
    if (!vm_call(vm, define, vm->rack, &result))
        fatalx("%s: Rack could not be defined", vm->name);
    mrb_gc_arena_restore(vm->mrb, arena);
}

struct rackup {
    const char *path;
    mrb_value builder;
    mrb_value last; /* value of the file's last expression */
};

static mrb_value new_builder(mrb_state *mrb, void *data)
{
    (void)data;
    return mrb_obj_new(mrb, mrb_class_get_under(mrb, mrb_module_get(mrb, "Rack"), "Builder"), 0, NULL);
}

static bool in_development(void)
{
    const char *name = getenv("RACK_ENV");

    return name != NULL && strcmp(name, "development") == 0;
}

static mrb_value wrap_in_lint(mrb_state *mrb, mrb_value callable)
{
    return mrb_obj_new(mrb, mrb_class_get_under(mrb, mrb_module_get(mrb, "Rack"), "Lint"), 1, &callable);
}

static mrb_value finish_builder(mrb_state *mrb, void *data)
{
    const struct rackup *rackup = data;
    bool complete = mrb_test(mrb_funcall(mrb, rackup->builder, "app?", 0));
    bool itself = mrb_obj_equal(mrb, rackup->last, rackup->builder);

    if (!complete && !itself && rack_responds(mrb, rackup->last, rack_of(mrb)->symbols.call)) {
        mrb_funcall(mrb, rackup->builder, "run", 1, rackup->last);
        complete = true;
    }
    if (!complete)
        mrb_raisef(mrb, E_RUNTIME_ERROR,
                   "%s: nothing to run: the file calls neither run nor map, and its last expression (%Y) does not "
                   "respond to call",
                   rackup->path, rackup->last);

    mrb_value callable = mrb_funcall(mrb, rackup->builder, "to_app", 0);
    if (!rack_responds(mrb, callable, rack_of(mrb)->symbols.call))
        mrb_raisef(mrb, E_RUNTIME_ERROR, "%s: the middleware makes %Y, which does not respond to call", rackup->path,
                   callable);
    callable = in_development() ? wrap_in_lint(mrb, callable) : callable;
    mrb_gc_register(mrb, callable);
    return callable;
}

bool rack_load(struct vm *vm, const char *path, mrb_value *callable, struct strbuf *error)
{
    struct rackup rackup = { .path = path };
    int arena = mrb_gc_arena_save(vm->mrb);
    mrb_value result;
    bool loaded = vm_call(vm, new_builder, NULL, &rackup.builder);

    result = rackup.builder;
    if (loaded) {
        mrb_gc_protect(vm->mrb, rackup.builder);
        loaded = vm_load_file(vm, path, rackup.builder, &rackup.last);
        result = rackup.last;
    }
    if (loaded) {
        mrb_gc_protect(vm->mrb, rackup.last);
        loaded = vm_call(vm, finish_builder, &rackup, &result);
    }
    if (loaded)
        *callable = result;
    else
        vm_describe_exception(vm, result, error);
    mrb_gc_arena_restore(vm->mrb, arena);
    return loaded;
}

/* What a client chose stays on its line. */
static void append_escaped(struct strbuf *line, const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            strbuf_printf(line, "\\x%02X", (unsigned)(unsigned char)*text);
        else
            strbuf_append(line, text, 1);
    }
}

/* "GET /path: WHERE text", with the exception's message, class and backtrace for text. */
static void log_exception(const struct rack_exchange *exchange, enum log_level level, const char *where,
                          const char *text)
{
    struct strbuf line = { 0 };

    append_escaped(&line, exchange->method);
    strbuf_puts(&line, " ");
    append_escaped(&line, exchange->request->script_name);
    append_escaped(&line, exchange->request->path_info);
    strbuf_printf(&line, ": %s%s", where, text);
    log_app(level, exchange->app->config->name, line.data, line.length);
    strbuf_free(&line);
}

static mrb_value answer(mrb_state *mrb, void *data)
{
    struct rack_exchange *exchange = data;
    mrb_value response;

    exchange->input = rack_input_new(mrb, exchange->rack);
    exchange->finished = mrb_ary_new_capa(mrb, 0);
    if (exchange->app->scripts != NULL)
        scripts_find(exchange->app->scripts, exchange->request, exchange->method, &exchange->choice);
    exchange->env = rack_env_new(mrb, exchange);
    response = rack_hooks_access(mrb, exchange);
    if (!mrb_nil_p(response)) {
        ; /* a hook has answered */
    } else if (exchange->app->scripts == NULL) {
        response = mrb_funcall_id(mrb, exchange->app->callable, exchange->rack->symbols.call, 1, exchange->env);
    } else if (!script_answer(mrb, exchange, &response)) {
        exchange->status = exchange->choice.status;
        scripts_refuse(exchange->request, &exchange->choice);
        return mrb_nil_value();
    }
    rack_response_take(mrb, exchange, response);
    rack_hooks_add_headers(mrb, exchange);
    rack_body_send(mrb, exchange);
    return mrb_nil_value();
}

static mrb_value failure_status(mrb_state *mrb, void *data)
{
    return mrb_fixnum_value(rack_failure_status(mrb, *(mrb_value *)data));
}

static mrb_value failure_is_client_gone(mrb_state *mrb, void *data)
{
    return mrb_bool_value(rack_failure_is_client_gone(mrb, *(mrb_value *)data));
}

/* An exception came out of the app or its body: an answer of our own when none has begun, else the end of it. */
static void fail(struct rack_exchange *exchange, mrb_value exception, bool show_errors)
{
    struct request *request = exchange->request;
    struct strbuf text = { 0 };
    mrb_value value;

    time_out_mask();
    size_t backtrace = vm_describe_exception(exchange->vm, exception, &text);
    if (request->client_gone && vm_call(exchange->vm, failure_is_client_gone, &exception, &value) &&
        mrb_true_p(value)) {
        log_exception(exchange, LOG_LEVEL_DEBUG, "", text.data);
        request->cut_short = exchange->head_written;
        if (!exchange->head_written)
            answer_plain(request, 400, NULL); /* for the access log: nobody reads it */
    } else if (exchange->head_written) {
        log_exception(exchange, LOG_LEVEL_ERROR, "the answer is cut short: ", text.data);
        request->cut_short = true;
        request->error_answered = true;
    } else {
        int status = vm_call(exchange->vm, failure_status, &exception, &value) ? (int)mrb_integer(value) : 500;
        log_exception(exchange, status >= 500 ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "", text.data);
        if (show_errors && error_page_wanted(request_param(request, "HTTP_ACCEPT")))
            error_page_answer(request, status, text.data, backtrace);
        else
            answer_plain(request, status, show_errors ? text.data : NULL);
    }
    time_out_unmask();
    strbuf_free(&text);
}

static mrb_value close_body(mrb_state *mrb, void *data)
{
    struct rack_exchange *exchange = data;
    mrb_sym close = exchange->rack->symbols.close;

    if (mrb_array_p(exchange->body) ? mrb_respond_to(mrb, exchange->body, close)
                                    : rack_responds(mrb, exchange->body, close))
        mrb_funcall_id(mrb, exchange->body, close, 0);
    return mrb_nil_value();
}

struct finish {
    struct rack_exchange *exchange;
    mrb_int index;
    mrb_value error;
};

static mrb_value run_finished(mrb_state *mrb, void *data)
{
    const struct finish *finish = data;
    const struct rack_exchange *exchange = finish->exchange;
    mrb_value callable = mrb_ary_entry(exchange->finished, finish->index);
    mrb_value status = exchange->status != 0 ? mrb_fixnum_value(exchange->status) : mrb_nil_value();

    return mrb_funcall_id(mrb, callable, exchange->rack->symbols.call, 4, exchange->env, status, exchange->headers,
                          finish->error);
}

/* One that raises is logged and does not keep the others from running. */
static void run_all_finished(struct rack_exchange *exchange, mrb_value error)
{
    struct finish finish = { .exchange = exchange, .error = error };

    if (!mrb_array_p(exchange->finished) || RARRAY_LEN(exchange->finished) == 0)
        return;
    request_flush(exchange->request);
    for (finish.index = RARRAY_LEN(exchange->finished) - 1; finish.index >= 0; finish.index--) {
        int arena = mrb_gc_arena_save(exchange->vm->mrb);
        mrb_value result;
        if (!vm_call(exchange->vm, run_finished, &finish, &result)) {
            struct strbuf text = { 0 };
            vm_describe_exception(exchange->vm, result, &text);
            log_exception(exchange, LOG_LEVEL_ERROR, "in rack.response_finished: ", text.data);
            strbuf_free(&text);
        }
        mrb_gc_arena_restore(exchange->vm->mrb, arena);
    }
}

/* What vm_call brought back lives in the exchange alone: put it where the collector looks. */
static void keep_alive(const struct rack_exchange *exchange)
{
    mrb_state *mrb = exchange->vm->mrb;

    mrb_gc_protect(mrb, exchange->env);
    mrb_gc_protect(mrb, exchange->input);
    mrb_gc_protect(mrb, exchange->finished);
    mrb_gc_protect(mrb, exchange->headers);
    mrb_gc_protect(mrb, exchange->body);
}

static void run_exchange(struct rack_exchange *exchange, bool show_errors)
{
    mrb_value result, closed;
    mrb_value error = mrb_nil_value();

    bool answered = vm_call(exchange->vm, answer, exchange, &result);
    keep_alive(exchange);
    if (!answered) {
        error = result;
        mrb_gc_protect(exchange->vm->mrb, error);
        fail(exchange, error, show_errors);
    }
    if (!mrb_nil_p(exchange->body) && !vm_call(exchange->vm, close_body, exchange, &closed)) {
        struct strbuf text = { 0 };
        vm_describe_exception(exchange->vm, closed, &text);
        log_exception(exchange, LOG_LEVEL_ERROR, "in the body's close: ", text.data);
        strbuf_free(&text);
    }
    run_all_finished(exchange, error);
}

void rack_forget_match(struct vm *vm)
{
    if (!mrb_nil_p(mrb_gv_get(vm->mrb, vm->rack->symbols.last_match)))
        mrb_gv_set(vm->mrb, vm->rack->symbols.last_match, mrb_nil_value());
}

/* No Ruby runs for this request now. */
static void end_calls(struct vm *vm)
{
    time_out_end();
    rack_errors_flush(vm);
    rack_forget_match(vm);
}

static const char *method_of(const struct request *request)
{
    const char *method = request_param(request, "REQUEST_METHOD");

    return method != NULL ? method : "GET";
}

void rack_serve(const struct app *app, struct request *request, bool show_errors)
{
    if (app->vm == NULL || (mrb_nil_p(app->callable) && app->scripts == NULL && !hooks_any(app, HOOK_ACCESS))) {
        answer_plain(request, 404, "This application has nothing that answers.");
        return;
    }
    if (fchdir(app->root_fd) == -1) {
        log_warn("%s: cannot enter its root %s", app->config->name, app->config->root);
        answer_plain(request, 500, NULL);
        return;
    }

    struct rack *rack = app->vm->rack;
    int arena = mrb_gc_arena_save(app->vm->mrb);
    struct rack_exchange exchange = {
        .rack = rack,
        .vm = app->vm,
        .app = app,
        .request = request,
        .env = mrb_nil_value(),
        .input = mrb_nil_value(),
        .finished = mrb_nil_value(),
        .headers = mrb_nil_value(),
        .body = mrb_nil_value(),
        .method = method_of(request),
        .file = -1,
    };

    store_select(app);
    exchange.bodiless = strcmp(exchange.method, "HEAD") == 0;
    rack->exchange = &exchange;
    rack->serial++;
    time_out_begin(app->vm->mrb);
    run_exchange(&exchange, show_errors);
    end_calls(app->vm);
    rack->exchange = NULL;
    if (!mrb_nil_p(exchange.env) && rack_hooks_log_wanted(app, request))
        rack->logged_env = exchange.env;
    else if (app->scripts != NULL || exchange.entered)
        script_answer_end(app->vm);
    if (exchange.file != -1)
        close(exchange.file);
    strbuf_free(&exchange.head);
    mrb_gc_arena_restore(app->vm->mrb, arena);
}

void rack_finish(const struct app *app, struct request *request)
{
    struct rack *rack = app->vm != NULL ? app->vm->rack : NULL;

    if (rack == NULL || mrb_nil_p(rack->logged_env))
        return;

    mrb_value env = rack->logged_env;
    int arena = mrb_gc_arena_save(app->vm->mrb);
    rack->logged_env = mrb_nil_value();
    time_out_begin(app->vm->mrb);
    rack_hooks_log(app, request, env);
    end_calls(app->vm);
    script_answer_end(app->vm);
    mrb_gc_arena_restore(app->vm->mrb, arena);
}
