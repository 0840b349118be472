#include "require_backtrace.h"

#include <stdint.h>

#include <mruby/data.h>
#include <mruby/error.h>
#include <mruby/irep.h>
#include <mruby/proc.h>
#include <mruby/variable.h>

/* A code object counts 65535 references; beyond half of them it stays for good. */
#define REFERENCES_MAX (UINT16_MAX / 2)

/* What the linker makes of a program that wraps mrb_keep_backtrace; NULL in any other. */
void __real_mrb_keep_backtrace(mrb_state *mrb, mrb_value exception) __attribute__((weak));

struct code_list {
    uint32_t count;
    const mrb_irep *code[];
};

static void release(mrb_state *mrb, void *data)
{
    struct code_list *list = data;

    if (list == NULL)
        return;
    for (uint32_t i = 0; i < list->count; i++)
        mrb_irep_decref(mrb, (mrb_irep *)list->code[i]);
    mrb_free(mrb, list);
}

static const mrb_data_type code_list_type = { "BacktraceCode", release };

/* What a frame runs when that may ever be freed, else NULL. */
static const mrb_irep *code_of(const mrb_callinfo *frame)
{
    const struct RProc *proc = frame->proc;

    if (proc == NULL || MRB_PROC_CFUNC_P(proc) || MRB_PROC_ALIAS_P(proc))
        return NULL;
    const mrb_irep *code = proc->body.irep;
    return code == NULL || (code->flags & MRB_IREP_NO_FREE) ? NULL : code;
}

static mrb_bool holds(const struct code_list *list, const mrb_irep *code)
{
    for (uint32_t i = list->count; i > 0; i--)
        if (list->code[i - 1] == code)
            return TRUE;
    return FALSE;
}

static void pin(const mrb_irep *code)
{
    ((mrb_irep *)code)->flags |= MRB_IREP_NO_FREE;
}

/* References to the code of all frames; NULL when none of it can be freed. */
static struct code_list *hold_frames(mrb_state *mrb)
{
    const mrb_callinfo *base = mrb->c->cibase;
    const mrb_callinfo *top = mrb->c->ci;
    size_t count = 0;

    for (const mrb_callinfo *frame = base; frame <= top; frame++)
        count += code_of(frame) != NULL;
    if (count == 0)
        return NULL;

    struct code_list *list = mrb_malloc_simple(mrb, sizeof *list + count * sizeof list->code[0]);
    base = mrb->c->cibase;
    top = mrb->c->ci;
    if (list != NULL)
        list->count = 0;
    for (const mrb_callinfo *frame = base; frame <= top; frame++) {
        const mrb_irep *code = code_of(frame);
        if (code == NULL || (list != NULL && holds(list, code)))
            continue;
        if (list == NULL || code->refcnt >= REFERENCES_MAX) {
            pin(code);
        } else {
            ((mrb_irep *)code)->refcnt++;
            list->code[list->count++] = code;
        }
    }
    return list;
}

void __wrap_mrb_keep_backtrace(mrb_state *mrb, mrb_value exception)
{
    struct RException *raised = mrb_exc_ptr(exception);

    if (mrb->c->ci == NULL || raised->backtrace != NULL)
        return;

    /* The references come before anything that may raise for want of memory: then they stay, and so does the code. */
    struct code_list *list = hold_frames(mrb);
    int arena = mrb_gc_arena_save(mrb);
    __real_mrb_keep_backtrace(mrb, exception);
    if (list != NULL) {
        struct RData *holder = mrb_data_object_alloc(mrb, NULL, list, &code_list_type);
        if (raised->backtrace != NULL && raised->backtrace->tt == MRB_TT_CDATA)
            mrb_obj_iv_set(mrb, raised->backtrace, mrb_intern_lit(mrb, "code"), mrb_obj_value(holder));
    }
    mrb_gc_arena_restore(mrb, arena);
}

mrb_bool backtrace_keeps_code(void)
{
    return __real_mrb_keep_backtrace != NULL;
}
