#include "rack.h"

void mrb_mruby_rack_gem_init(mrb_state *mrb);
void mrb_mruby_rack_gem_final(mrb_state *mrb);

void mrb_mruby_rack_gem_init(mrb_state *mrb)
{
    struct RClass *rack = mrb_define_module(mrb, "Rack");

    rack_query_init(mrb, rack);
    rack_multipart_init(mrb, rack);
}

void mrb_mruby_rack_gem_final(mrb_state *mrb)
{
    (void)mrb;
}
