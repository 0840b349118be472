#include <mruby/server_api.h>

#include <string.h>
#include <unistd.h>

#include <mruby/class.h>
#include <mruby/error.h>
#include <mruby/hash.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include "server_state.h"

void mrb_server_set_log(mrb_state *mrb, mrb_server_log_func *log)
{
    server_set(mrb, server_state_of(mrb), SLOT_LOG,
               log != NULL ? mrb_cptr_value(mrb, (void *)(uintptr_t)log) : mrb_nil_value());
}

/* Where lines go that nobody else takes. */
static void write_line(mrb_state *mrb, mrb_value state, mrb_value text)
{
    mrb_value env = server_get(state, SLOT_ENV);
    mrb_value errors = mrb_nil_value();

    if (!mrb_nil_p(env))
        errors = mrb_hash_get(mrb, env, mrb_str_new_lit(mrb, "rack.errors"));
    if (mrb_nil_p(errors))
        errors = mrb_gv_get(mrb, mrb_intern_lit(mrb, "$stderr"));
    if (!mrb_nil_p(errors))
        mrb_funcall(mrb, errors, "puts", 1, text);
}

static mrb_value server_log(mrb_state *mrb, mrb_value self)
{
    mrb_value state = server_state(mrb);
    mrb_value log = server_get(state, SLOT_LOG);
    mrb_value text;
    mrb_int level;

    mrb_get_args(mrb, "io", &level, &text);
    if (level < MRB_SERVER_LOG_STDERR || level > MRB_SERVER_LOG_DEBUG)
        mrb_raisef(mrb, E_ARGUMENT_ERROR, "%i is no level of the log", level);
    text = mrb_obj_as_string(mrb, text);
    if (mrb_nil_p(log)) {
        write_line(mrb, state, text);
        return self;
    }
    mrb_server_log_func *function = (mrb_server_log_func *)(uintptr_t)mrb_cptr(log);
    function(mrb, (enum mrb_server_log_level)level, RSTRING_PTR(text), RSTRING_LEN(text));
    return self;
}

static mrb_value server_remove_global_variable(mrb_state *mrb, mrb_value self)
{
    mrb_sym name;

    mrb_get_args(mrb, "n", &name);
    mrb_gv_remove(mrb, name);
    return self;
}

static mrb_value server_pid(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return mrb_int_value(mrb, getpid());
}

/* Something that the request in hand keeps: notes, or its body when that was read. */
static mrb_value server_notes(mrb_state *mrb, mrb_value self)
{
    mrb_value state = server_state(mrb);

    (void)self;
    if (mrb_nil_p(server_get(state, SLOT_NOTES)))
        server_set(mrb, state, SLOT_NOTES, mrb_hash_new(mrb));
    return server_get(state, SLOT_NOTES);
}

static mrb_value server_input(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return server_get(server_state(mrb), SLOT_INPUT);
}

static mrb_value server_set_input(mrb_state *mrb, mrb_value self)
{
    mrb_value text = mrb_get_arg1(mrb);

    (void)self;
    server_set(mrb, server_state(mrb), SLOT_INPUT, text);
    return text;
}

static mrb_value new_state(mrb_state *mrb, struct RClass *server)
{
    struct RClass *ended = mrb_define_class_under(mrb, server, "Ended", mrb->eException_class);
    mrb_value state = mrb_ary_new_capa(mrb, SLOT_COUNT);
    mrb_value type = mrb_hash_new(mrb);

    server_keep_state(mrb, state);
    for (int slot = 0; slot < SLOT_COUNT; slot++)
        mrb_ary_push(mrb, state, mrb_nil_value());
    server_set(mrb, state, SLOT_SERIAL, mrb_fixnum_value(0));
    server_set(mrb, state, SLOT_FLAGS, mrb_fixnum_value(0));
    server_set(mrb, state, SLOT_ENDED, mrb_obj_value(ended));
    server_set(mrb, state, SLOT_ACCESS, mrb_symbol_value(mrb_intern_lit(mrb, "access")));
    server_set(mrb, state, SLOT_CONTENT, mrb_symbol_value(mrb_intern_lit(mrb, "content")));
    server_set(mrb, state, SLOT_LOG_PHASE, mrb_symbol_value(mrb_intern_lit(mrb, "log")));
    server_set(mrb, state, SLOT_CALL, mrb_symbol_value(mrb_intern_lit(mrb, "call")));
    server_set(mrb, state, SLOT_RESPOND, mrb_symbol_value(mrb_intern_lit(mrb, "respond_to?")));
    server_set(mrb, state, SLOT_TYPE, type);
    mrb_hash_set(mrb, type, mrb_str_new_lit(mrb, "content-type"), mrb_str_new_lit(mrb, "text/plain; charset=utf-8"));
    return state;
}

void mrb_mruby_server_api_gem_init(mrb_state *mrb)
{
    struct RClass *server = mrb_define_class_under(mrb, mrb_define_module(mrb, "Cowherd"), "Server", mrb->object_class);
    mrb_value state = new_state(mrb, server);

    server_define_constants(mrb, server);
    server_define_answer(mrb, server, state);
    server_define_headers(mrb, server, state);
    server_define_class_method(mrb, server, "log", server_log, state);
    server_define_class_method(mrb, server, "errlogger", server_log, state);
    server_define_class_method(mrb, server, "__notes", server_notes, state);
    server_define_class_method(mrb, server, "__input", server_input, state);
    server_define_class_method(mrb, server, "__input=", server_set_input, state);
    server_define_class_method(mrb, server, "__pid", server_pid, state);
    server_define_class_method(mrb, server, "remove_global_variable", server_remove_global_variable, state);
}

void mrb_mruby_server_api_gem_final(mrb_state *mrb)
{
    (void)mrb;
}
