#include "server_state.h"

#include <mruby.h>
#include <mruby/class.h>
#include <mruby/error.h>
#include <mruby/presym.h>
#include <mruby/proc.h>
#include <mruby/variable.h>

mrb_value server_state(mrb_state *mrb)
{
    return mrb_proc_cfunc_env_get(mrb, 0);
}

mrb_value server_running(mrb_state *mrb)
{
    mrb_value state = server_state(mrb);

    if (!(server_flags(state) & FLAG_RUNNING))
        mrb_raise(mrb, E_RUNTIME_ERROR, "no request is being served");
    return state;
}

mrb_value server_state_of(mrb_state *mrb)
{
    return mrb_iv_get(mrb, mrb_obj_value(mrb->kernel_module), MRB_SYM(server_state));
}

void server_keep_state(mrb_state *mrb, mrb_value state)
{
    mrb_iv_set(mrb, mrb_obj_value(mrb->kernel_module), MRB_SYM(server_state), state);
}

mrb_value server_current_serial(mrb_state *mrb, mrb_value state)
{
    if (mrb_nil_p(server_get(state, SLOT_ENV)))
        mrb_raise(mrb, E_RUNTIME_ERROR, "no request is being served");
    return server_get(state, SLOT_SERIAL);
}

void server_check_serial(mrb_state *mrb, mrb_value state, mrb_value serial)
{
    if (mrb_nil_p(server_get(state, SLOT_ENV)) || !mrb_integer_p(serial) ||
        mrb_integer(serial) != mrb_integer(server_get(state, SLOT_SERIAL)))
        mrb_raise(mrb, E_RUNTIME_ERROR, "the request that this belongs to is over");
}

void server_define(mrb_state *mrb, struct RClass *owner, const char *name, mrb_func_t function, mrb_value state)
{
    int arena = mrb_gc_arena_save(mrb);
    struct RProc *proc = mrb_proc_new_cfunc_with_env(mrb, function, 1, &state);
    mrb_method_t method;

    MRB_METHOD_FROM_PROC(method, proc);
    mrb_define_method_raw(mrb, owner, mrb_intern_cstr(mrb, name), method);
    mrb_gc_arena_restore(mrb, arena);
}

void server_define_class_method(mrb_state *mrb, struct RClass *owner, const char *name, mrb_func_t function,
                                mrb_value state)
{
    server_define(mrb, mrb_singleton_class_ptr(mrb, mrb_obj_value(owner)), name, function, state);
}
