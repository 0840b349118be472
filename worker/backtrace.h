/* mruby's (backtrace.c), which no header of it declares. */
#ifndef COWHERD_BACKTRACE_H
#define COWHERD_BACKTRACE_H

#include <mruby.h>

/* Takes down where the interpreter is, for the backtrace of `exception`, unless it has one. */
void mrb_keep_backtrace(mrb_state *mrb, mrb_value exception);

#endif
