#include "interrupt.h"

#include <string.h>

#include <mruby/error.h>
#include <mruby/internal.h>
#include <mruby/irep.h>
#include <mruby/string.h>

#include "backtrace.h"

mrb_value interrupt_exception(mrb_state *mrb, struct RClass *class, const char *message)
{
    struct RException *exception = MRB_OBJ_ALLOC(mrb, MRB_TT_EXCEPTION, class);

    exception->iv = NULL;
    mrb_exc_mesg_set(mrb, exception, mrb_str_new(mrb, message, strlen(message)));
    return mrb_obj_value(exception);
}

/*
 * The program counter is what backtraces and the ranges of rescue and ensure go by: one instruction later the frame
 * says the right line.
 */
void interrupt_raise(mrb_state *mrb, const mrb_code *pc, mrb_value exception)
{
    mrb->c->ci->pc = pc + 1;
    mrb_exc_raise(mrb, exception);
}

void interrupt_replace(mrb_state *mrb, mrb_value exception)
{
    mrb->exc = mrb_obj_ptr(exception);
    mrb_keep_backtrace(mrb, exception);
}
