/* The parts of this gem that are written in C. */
#ifndef MRUBY_RACK_RACK_H
#define MRUBY_RACK_RACK_H

#include <mruby.h>

void rack_query_init(mrb_state *mrb, struct RClass *rack);
void rack_multipart_init(mrb_state *mrb, struct RClass *rack);

#endif
