#include <mruby.h>
#include <mruby/error.h>

#include "../../test_child.h"

static mrb_allocf allocate;
static size_t too_much; /* bytes that can't be had at once */

static void *allocate_little(mrb_state *mrb, void *block, size_t size, void *data)
{
    return size >= too_much ? NULL : allocate(mrb, block, size, data);
}

/* Runs the block while there is no memory for an object of `bytes` or more. */
static mrb_value without_memory(mrb_state *mrb, mrb_value self)
{
    mrb_value block;
    mrb_int bytes;
    mrb_bool failed;

    (void)self;
    mrb_get_args(mrb, "i&!", &bytes, &block);
    allocate = mrb->allocf;
    too_much = (size_t)bytes;
    mrb->allocf = allocate_little;
    mrb_value result = mrb_protect_error(mrb, test_child_block, &block, &failed);
    mrb->allocf = allocate;
    if (failed)
        mrb_exc_raise(mrb, result);
    return result;
}

void mrb_mruby_sqlite3_gem_test(mrb_state *mrb);

void mrb_mruby_sqlite3_gem_test(mrb_state *mrb)
{
    struct RClass *module = mrb_define_module(mrb, "SQLite3Test");

    mrb_define_module_function(mrb, module, "in_child", test_child_run, MRB_ARGS_BLOCK());
    mrb_define_module_function(mrb, module, "without_memory", without_memory, MRB_ARGS_REQ(1) | MRB_ARGS_BLOCK());
}
