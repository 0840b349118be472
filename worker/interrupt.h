/*
 * Raises an exception in Ruby code from the outside, at the instruction that is about to run, and therefore from
 * mruby's debug hook (code_fetch_hook), which a signal handler may set.
 */
#ifndef COWHERD_INTERRUPT_H
#define COWHERD_INTERRUPT_H

#include <mruby.h>

/* Made without a call: in a deep recursion there is no level left for one. */
mrb_value interrupt_exception(mrb_state *mrb, struct RClass *class, const char *message);

/* From the hook, with its `pc`: as if the instruction had raised. */
void interrupt_raise(mrb_state *mrb, const mrb_code *pc, mrb_value exception);

/* In place of the exception that is on its way already, with a backtrace from here. */
void interrupt_replace(mrb_state *mrb, mrb_value exception);

#endif
