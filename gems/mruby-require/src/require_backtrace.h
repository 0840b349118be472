/*
 * mruby packs a backtrace as raw pointers to code, which may be freed before it is unpacked: by the time that somebody
 * asks the exception for it, the file may have been loaded anew. So each packed backtrace holds references to its code
 * here. The linker puts this in front of mruby's function (--wrap, see mrbgem.rake).
 */
#ifndef MRUBY_REQUIRE_BACKTRACE_H
#define MRUBY_REQUIRE_BACKTRACE_H

#include <mruby.h>

/* Whether the linker has done so; else code must not be freed. */
mrb_bool backtrace_keeps_code(void);

void __wrap_mrb_keep_backtrace(mrb_state *mrb, mrb_value exception);

#endif
