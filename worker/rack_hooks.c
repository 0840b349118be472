#include "rack_hooks.h"

#include <stdio.h>

#include <mruby/array.h>
#include <mruby/hash.h>
#include <mruby/server_api.h>
#include <mruby/string.h>

#include "clock.h"
#include "hook_path.h"
#include "hooks.h"
#include "log.h"
#include "rack_response.h"

static bool runs_for(const struct hook *hook, enum config_hook_event event, const struct request *request)
{
    return hook->config->event == event &&
           (request->app_path == NULL || hooks_match(hook->config->path, request->app_path));
}

static mrb_value call_script(mrb_state *mrb, void *data)
{
    return script_call(mrb, data, mrb_top_self(mrb));
}

/* Access */

/* An authorizer says yes by the status and the headers alone. */
static mrb_value say_yes(mrb_state *mrb, struct rack_exchange *exchange, mrb_value headers)
{
    mrb_value parts[] = { mrb_fixnum_value(200), headers, mrb_ary_new(mrb) };

    exchange->says_yes = true;
    return mrb_ary_new_from_values(mrb, 3, parts);
}

static bool is_yes(mrb_value response)
{
    return mrb_array_p(response) && RARRAY_LEN(response) == 3 && mrb_integer_p(RARRAY_PTR(response)[0]) &&
           mrb_integer(RARRAY_PTR(response)[0]) == 200;
}

mrb_value rack_hooks_access(mrb_state *mrb, struct rack_exchange *exchange)
{
    const struct app *app = exchange->app;
    const struct request *request = exchange->request;
    bool authorizer = request->role == REQUEST_AUTHORIZER && hooks_any(app, HOOK_ACCESS);
    int arena = mrb_gc_arena_save(mrb);

    for (size_t i = 0; app->hooks != NULL && i < app->config->hook_count; i++) {
        if (!runs_for(&app->hooks[i], HOOK_ACCESS, request))
            continue;
        exchange->entered = true;
        mrb_value response = mrb_server_run(mrb, exchange->env, MRB_SERVER_ACCESS, call_script, app->hooks[i].script);
        if (mrb_nil_p(response)) {
            mrb_gc_arena_restore(mrb, arena);
            continue;
        }
        return authorizer && is_yes(response) ? say_yes(mrb, exchange, RARRAY_PTR(response)[1]) : response;
    }
    if (authorizer || (mrb_nil_p(app->callable) && app->scripts == NULL))
        return say_yes(mrb, exchange, mrb_hash_new(mrb));
    return mrb_nil_value();
}

void rack_hooks_add_headers(mrb_state *mrb, struct rack_exchange *exchange)
{
    if (exchange->entered)
        rack_response_add(mrb, exchange, mrb_server_headers_for(mrb, exchange->env));
}

/* Log */

bool rack_hooks_log_wanted(const struct app *app, const struct request *request)
{
    for (size_t i = 0; app->hooks != NULL && i < app->config->hook_count; i++) {
        if (runs_for(&app->hooks[i], HOOK_LOG, request))
            return true;
    }
    return false;
}

struct log_call {
    const struct hook *hook; /* NULL: before the first */
    const struct request *request;
    int64_t taken_ns;
    mrb_value env;
};

static void set(mrb_state *mrb, mrb_value env, const char *name, const char *value)
{
    mrb_hash_set(mrb, env, mrb_str_new_cstr(mrb, name), mrb_str_new_cstr(mrb, value));
}

static mrb_value set_outcome(mrb_state *mrb, const struct log_call *call)
{
    const struct request *request = call->request;
    char text[32];

    snprintf(text, sizeof text, "%d", request->status);
    set(mrb, call->env, "STATUS", text);
    snprintf(text, sizeof text, "%llu", (unsigned long long)request->body_sent);
    set(mrb, call->env, "BODY_BYTES_SENT", text);
    snprintf(text, sizeof text, "%.3f", (double)call->taken_ns / (double)CLOCK_NS_PER_S);
    set(mrb, call->env, "REQUEST_TIME", text);
    return mrb_nil_value();
}

static mrb_value run_log(mrb_state *mrb, void *data)
{
    const struct log_call *call = data;

    if (call->hook == NULL)
        return set_outcome(mrb, call);
    return mrb_server_run(mrb, call->env, MRB_SERVER_LOG, call_script, call->hook->script);
}

static void log_failure(const struct app *app, const struct log_call *call, mrb_value exception)
{
    struct strbuf text = { 0 };

    strbuf_printf(&text, "log hook%s%s: ", call->hook != NULL ? " " : "",
                  call->hook != NULL ? call->hook->config->file : "s");
    vm_describe_exception(app->vm, exception, &text);
    log_app(LOG_LEVEL_ERROR, app->config->name, text.data, text.length);
    strbuf_free(&text);
}

static void run_log_hook(const struct app *app, struct log_call *call)
{
    int arena = mrb_gc_arena_save(app->vm->mrb);
    mrb_value result;

    if (!vm_call(app->vm, run_log, call, &result))
        log_failure(app, call, result);
    mrb_gc_arena_restore(app->vm->mrb, arena);
}

void rack_hooks_log(const struct app *app, const struct request *request, mrb_value env)
{
    struct log_call call = {
        .request = request,
        .taken_ns = clock_monotonic_ns() - request->received_ns,
        .env = env,
    };
    int arena = mrb_gc_arena_save(app->vm->mrb);

    mrb_gc_protect(app->vm->mrb, env);
    run_log_hook(app, &call);
    for (size_t i = 0; i < app->config->hook_count; i++) {
        if (!runs_for(&app->hooks[i], HOOK_LOG, request))
            continue;
        call.hook = &app->hooks[i];
        run_log_hook(app, &call);
    }
    mrb_gc_arena_restore(app->vm->mrb, arena);
}
