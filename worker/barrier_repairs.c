#include "barrier_repairs.h"

#include <mruby/class.h>
#include <mruby/gc.h>
#include <mruby/presym.h>
#include <mruby/proc.h>

/* mruby's own, the same in all interpreters. */
static mrb_func_t hash_replace;

/* hash_replace copies all entries (hash.c). It allocates no object: nothing collects between barrier and copy. */
static mrb_value hash_replace_with_barrier(mrb_state *mrb, mrb_value self)
{
    mrb_write_barrier(mrb, mrb_basic_ptr(self));
    return hash_replace(mrb, self);
}

static mrb_func_t function_of(mrb_state *mrb, struct RClass *class, mrb_sym name)
{
    mrb_method_t method = mrb_method_search_vm(mrb, &class, name);
    if (MRB_METHOD_UNDEF_P(method) || !MRB_METHOD_CFUNC_P(method))
        return NULL;
    return MRB_METHOD_CFUNC(method);
}

void barrier_repairs_define(mrb_state *mrb)
{
    mrb_func_t found = function_of(mrb, mrb->hash_class, MRB_SYM(replace));
    if (found == NULL || found == hash_replace_with_barrier)
        return;
    hash_replace = found;
    mrb_define_method_id(mrb, mrb->hash_class, MRB_SYM(replace), hash_replace_with_barrier, MRB_ARGS_REQ(1));
    mrb_define_method_id(mrb, mrb->hash_class, MRB_SYM(initialize_copy), hash_replace_with_barrier, MRB_ARGS_REQ(1));
}
