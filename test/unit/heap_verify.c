#include "heap_verify.h"

#include <mruby/internal.h>

#include <stdio.h>

#include "heap.h"
#include "references.h"
#include "region.h"

#define BLACK 4
#define WHITES 3

static struct heap_verdict verdict;

static void look_at(mrb_state *mrb, struct RBasic *child, void *data)
{
    const struct RBasic *holder = data;
    if (child == NULL || region_contains(child) || child->color == MRB_GC_RED || !(child->color & WHITES))
        return;
    verdict.lost++;
    fprintf(stderr, "lost: an object of type %d, referred to by a frozen one of type %d (enum mrb_vtype)\n", child->tt,
            holder->tt);
    mrb_gc_mark(mrb, child);
}

static void look_at_fiber(mrb_state *mrb, struct RBasic *fiber, const struct mrb_context *context)
{
    if (context == NULL || context->status == MRB_FIBER_TERMINATED || context->stbase == NULL || context->ci == NULL)
        return;
    const mrb_value *end = context->ci->stack + mrb_ci_nregs(context->ci);
    for (const mrb_value *value = context->stbase; value < end && value < context->stend; value++)
        if (!mrb_immediate_p(*value))
            look_at(mrb, mrb_basic_ptr(*value), fiber);
    for (const mrb_callinfo *frame = context->cibase; frame <= context->ci; frame++) {
        look_at(mrb, (struct RBasic *)frame->proc, fiber);
        look_at(mrb, (struct RBasic *)frame->u.target_class, fiber);
    }
}

static bool look_from(struct RBasic *object, void *data)
{
    mrb_state *mrb = data;
    if (object->tt != MRB_TT_FREE && !references_visit(mrb, object, look_at, object))
        look_at_fiber(mrb, object, ((const struct RFiber *)object)->cxt);
    return true;
}

/*
 * The roots are traversed at the start of the cycle and nothing runs until its end, where everything that they and the
 * set keep is marked already. A cycle that began before is none of ours.
 */
static bool at_root_scan(mrb_state *mrb, struct heap *heap)
{
    static bool whole;
    if (mrb->gc.state == MRB_GC_STATE_ROOT)
        whole = true;
    else if (whole) {
        whole = false;
        heap_each_frozen(heap, look_from, mrb);
    }
    return false;
}

static bool check_colour(struct RBasic *object, void *data)
{
    (void)data;
    if (object->tt != MRB_TT_FREE && object->color != BLACK && object->color != MRB_GC_RED)
        verdict.repainted++;
    return true;
}

struct heap_verdict heap_verify(mrb_state *mrb)
{
    struct heap *heap = heap_of(mrb);

    verdict = (struct heap_verdict){ 0 };
    heap->extra_roots = at_root_scan;
    mrb_full_gc(mrb);
    heap->extra_roots = NULL;
    heap_each_frozen(heap, check_colour, NULL);
    verdict.young = mrb->gc.live;
    return verdict;
}
