/* The parts of this gem, each defined when it is initialised; and what they have in common. */
#ifndef MRUBY_PROCESS_ENV_PARTS_H
#define MRUBY_PROCESS_ENV_PARTS_H

#include <mruby.h>

void environment_define(mrb_state *mrb);
void process_define(mrb_state *mrb);
void file_stat_define(mrb_state *mrb);
void file_define(mrb_state *mrb);

/* The path that a String is, or that what answers to_path has; terminated, and valid as long as that String.
 * TypeError, and ArgumentError for one with a NUL in it. */
const char *path_of(mrb_state *mrb, mrb_value path);

#endif
