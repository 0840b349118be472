#include "barrier.h"

#include <mruby/error.h>

#include "heap.h"
#include "malloc_limit.h"
#include "region.h"
#include "remembered_set.h"

/* An interpreter that only parses has mruby's own allocator and no heap of ours. */
static bool is_frozen(const struct heap *heap)
{
    return heap != NULL && heap->frozen;
}

/* Frozen objects are black for good; the real barriers would repaint them, or their values. */
void __wrap_mrb_field_write_barrier(mrb_state *mrb, struct RBasic *object, struct RBasic *value)
{
    struct heap *heap = heap_of(mrb);

    if (!is_frozen(heap) || !region_contains(object)) {
        if (value != NULL && !(is_frozen(heap) && region_contains(value)))
            __real_mrb_field_write_barrier(mrb, object, value);
        return;
    }
    if (value != NULL && !region_contains(value))
        remembered_set_add_value(&heap->remembered, object, value);
}

void __wrap_mrb_write_barrier(mrb_state *mrb, struct RBasic *object)
{
    struct heap *heap = heap_of(mrb);

    if (is_frozen(heap) && region_contains(object))
        remembered_set_add(&heap->remembered, object);
    else
        __real_mrb_write_barrier(mrb, object);
}

/* The list of a large container keeps overwritten values, too: no more of them than the malloc limit allows garbage. */
static void bound_lists(struct heap *heap)
{
    heap->unwalked += heap->allocated;
    if (heap->unwalked <= heap->limit)
        return;
    heap->unwalked = 0;
    remembered_set_walk_all(&heap->remembered);
}

/* mruby calls it at the start of a cycle and again at the end of its marking phase. */
void __wrap_mrb_gc_mark_gv(mrb_state *mrb)
{
    struct heap *heap = heap_of(mrb);
    bool last = mrb->gc.state != MRB_GC_STATE_ROOT;

    __real_mrb_gc_mark_gv(mrb);
    if (heap != NULL && !last) {
        heap->before += heap->allocated;
        bound_lists(heap);
        malloc_limit_adapt(heap);
    }
    if (!is_frozen(heap))
        return;
    if (heap->extra_roots != NULL && heap->extra_roots(mrb, heap))
        return;
    remembered_set_mark(&heap->remembered, mrb, last);
}

struct object_walk {
    mrb_state *mrb;
    mrb_each_object_callback *callback;
    void *data;
    bool ended;
};

static int walk_young(mrb_state *mrb, struct RBasic *object, void *data)
{
    struct object_walk *walk = data;
    int result = walk->callback(mrb, object, walk->data);
    walk->ended = result == MRB_EACH_OBJ_BREAK;
    return result;
}

static bool walk_frozen(struct RBasic *object, void *data)
{
    struct object_walk *walk = data;
    return walk->callback(walk->mrb, object, walk->data) != MRB_EACH_OBJ_BREAK;
}

static mrb_value walk_all_frozen(mrb_state *mrb, void *data)
{
    heap_each_frozen(heap_of(mrb), walk_frozen, data);
    return mrb_nil_value();
}

/* include and prepend find a module's users by this walk; the callback may raise. */
void __wrap_mrb_objspace_each_objects(mrb_state *mrb, mrb_each_object_callback *callback, void *data)
{
    struct object_walk walk = { .mrb = mrb, .callback = callback, .data = data };
    mrb_bool iterating = mrb->gc.iterating;
    mrb_bool raised = FALSE;

    __real_mrb_objspace_each_objects(mrb, walk_young, &walk);
    if (!is_frozen(heap_of(mrb)) || walk.ended)
        return;
    mrb->gc.iterating = TRUE;
    mrb_value result = mrb_protect_error(mrb, walk_all_frozen, &walk, &raised);
    mrb->gc.iterating = iterating;
    if (raised)
        mrb_exc_raise(mrb, result);
}

mrb_bool __wrap_mrb_object_dead_p(mrb_state *mrb, struct RBasic *object)
{
    if (is_frozen(heap_of(mrb)) && region_contains(object))
        return FALSE;
    return __real_mrb_object_dead_p(mrb, object);
}
