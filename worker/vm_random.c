#include "vm_random.h"

#include <sys/random.h>

#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/istruct.h>
#include <mruby/variable.h>

#include "log.h"
#include "vm.h"

/* mruby-random keeps the state of its generator (xoshiro128++: any bits but all zero) inline in the object. */
static void fill_state(mrb_value random)
{
    if (getrandom(mrb_istruct_ptr(random), ISTRUCT_DATA_SIZE, 0) != (ssize_t)ISTRUCT_DATA_SIZE)
        fatal("getrandom");
}

/* Where a generator made without a seed is noted, until the fork. */
static mrb_sym unseeded_symbol(mrb_state *mrb)
{
    return mrb_intern_lit(mrb, "__unseeded");
}

static mrb_value initialize(mrb_state *mrb, mrb_value self)
{
    if (mrb_get_argc(mrb) > 0) {
        mrb_value seed;
        mrb_get_args(mrb, "o", &seed);
        return mrb_funcall_id(mrb, self, mrb_intern_lit(mrb, "__initialize_with_seed"), 1, seed);
    }

    mrb_value unseeded = mrb_iv_get(mrb, mrb_obj_value(mrb_class_get(mrb, "Random")), unseeded_symbol(mrb));

    fill_state(self);
    if (mrb_array_p(unseeded))
        mrb_ary_push(mrb, unseeded, self);
    return self;
}

static mrb_value default_generator(mrb_state *mrb, struct RClass *random)
{
    return mrb_iv_get(mrb, mrb_obj_value(random), mrb_intern_lit(mrb, "mruby_Random"));
}

void vm_random_define(mrb_state *mrb)
{
    if (!mrb_class_defined(mrb, "Random"))
        return;

    struct RClass *random = mrb_class_get(mrb, "Random");

    if (!mrb_istruct_p(default_generator(mrb, random)))
        return;
    fill_state(default_generator(mrb, random));
    mrb_alias_method(mrb, random, mrb_intern_lit(mrb, "__initialize_with_seed"), mrb_intern_lit(mrb, "initialize"));
    mrb_define_method(mrb, random, "initialize", initialize, MRB_ARGS_OPT(1));
    mrb_iv_set(mrb, mrb_obj_value(random), unseeded_symbol(mrb), mrb_ary_new(mrb));
}

static mrb_value reseed(mrb_state *mrb, void *data)
{
    (void)data;
    if (!mrb_class_defined(mrb, "Random"))
        return mrb_nil_value();

    struct RClass *random = mrb_class_get(mrb, "Random");
    mrb_value generator = default_generator(mrb, random);
    mrb_value unseeded = mrb_iv_get(mrb, mrb_obj_value(random), unseeded_symbol(mrb));

    if (mrb_istruct_p(generator))
        fill_state(generator);
    if (!mrb_array_p(unseeded))
        return mrb_nil_value();
    for (mrb_int i = 0; i < RARRAY_LEN(unseeded); i++)
        fill_state(RARRAY_PTR(unseeded)[i]);
    mrb_iv_set(mrb, mrb_obj_value(random), unseeded_symbol(mrb), mrb_nil_value());
    return mrb_nil_value();
}

void vm_reseed(struct vm *vm)
{
    int arena = mrb_gc_arena_save(vm->mrb);
    mrb_value result;

    if (!vm_call(vm, reseed, NULL, &result))
        fatalx("%s: Random could not be seeded anew", vm->name);
    mrb_gc_arena_restore(vm->mrb, arena);
}
