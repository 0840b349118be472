#include "../../in_child.h"

void mrb_mruby_sqlite3_gem_test(mrb_state *mrb);

void mrb_mruby_sqlite3_gem_test(mrb_state *mrb)
{
    mrb_define_module_function(mrb, mrb_define_module(mrb, "SQLite3Test"), "in_child", in_child, MRB_ARGS_BLOCK());
}
