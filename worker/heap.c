#include "heap.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/error.h>
#include <mruby/gc.h>
#include <mruby/hash.h>
#include <mruby/irep.h>
#include <mruby/proc.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include <mruby/internal.h>

#include "barrier.h"
#include "barrier_repairs.h"
#include "malloc_limit.h"
#include "region.h"
#include "xalloc.h"

#define BLACK 4
/* Objects that the young heap may hold before mruby collects by itself. */
#define YOUNG_MIN 1024

/* Where the stack's first frame keeps nothing of use: self, and the registers of mrb_top_run's dummy frame. */
#define STACK_KEPT 4

static void *young_allocate(struct heap *heap, mrb_state *mrb, size_t size)
{
    void *address = malloc(size);
    if (address != NULL) {
        heap->young_bytes += malloc_usable_size(address);
        malloc_limit_count(heap, mrb, size);
    }
    return address;
}

static void young_free(struct heap *heap, void *address)
{
    heap->young_bytes -= malloc_usable_size(address);
    free(address);
}

static void *young_reallocate(struct heap *heap, mrb_state *mrb, void *address, size_t size)
{
    size_t before = malloc_usable_size(address);
    void *moved = realloc(address, size);
    if (moved != NULL) {
        heap->young_bytes += malloc_usable_size(moved) - before;
        if (size > before)
            malloc_limit_count(heap, mrb, size - before);
    }
    return moved;
}

/* A block of the region that has to grow leaves it; its old place is never used again. */
static void *copy_out(struct heap *heap, mrb_state *mrb, void *address, size_t size)
{
    if (region_resize(address, size))
        return address;
    void *moved = young_allocate(heap, mrb, size);
    if (moved != NULL)
        region_copy_block(moved, address);
    return moved;
}

static void *allocate(mrb_state *mrb, void *address, size_t size, void *data)
{
    struct heap *heap = data;
    bool loading = region_bounds.start != 0 && !heap->frozen && !region_is_frozen();

    if (address != NULL && region_contains(address)) {
        if (size > 0)
            return loading ? region_reallocate(address, size) : copy_out(heap, mrb, address, size);
        if (loading)
            region_free(address);
        return NULL;
    }
    if (size == 0) {
        if (address != NULL)
            young_free(heap, address);
        return NULL;
    }
    if (address != NULL)
        return young_reallocate(heap, mrb, address, size);
    return loading ? region_allocate(size) : young_allocate(heap, mrb, size);
}

mrb_state *heap_open(void)
{
    struct heap *heap = xcalloc(1, sizeof *heap);
    malloc_limit_start(heap);
    mrb_state *mrb = mrb_open_allocf(allocate, heap);
    if (mrb == NULL)
        free(heap);
    else
        barrier_repairs_define(mrb);
    return mrb;
}

void heap_close(mrb_state *mrb)
{
    struct heap *heap = heap_of(mrb);
    mrb_close(mrb);
    remembered_set_clear(&heap->remembered);
    free(heap->spans);
    free(heap);
}

bool heap_each_frozen(const struct heap *heap, bool (*each)(struct RBasic *object, void *data), void *data)
{
    size_t slot_size = (size_t)mrb_objspace_page_slot_size();
    for (size_t i = 0; i < heap->span_count; i++)
        for (size_t slot = 0; slot < heap->spans[i].slots; slot++)
            if (!each((struct RBasic *)(heap->spans[i].start + slot * slot_size), data))
                return false;
    return true;
}

/* mruby's struct mrb_heap_page (gc.c), which no header declares. The slots follow it. */
struct page {
    struct RBasic *free_list;
    const struct page *next;
    const struct page *free_next;
    mrb_bool old : 1;
};

#define PAGE_SLOTS 1024 /* MRB_HEAP_PAGE_SIZE */

size_t heap_young_slots(const mrb_state *mrb)
{
    size_t slots = 0;

    for (const struct page *page = (const struct page *)mrb->gc.heaps; page != NULL; page = page->next)
        slots += PAGE_SLOTS;
    return slots;
}

void heap_each_young(const mrb_state *mrb, void (*each)(const struct RBasic *object, size_t size, void *data),
                     void *data)
{
    size_t slot_size = (size_t)mrb_objspace_page_slot_size();

    for (const struct page *page = (const struct page *)mrb->gc.heaps; page != NULL; page = page->next)
        for (size_t slot = 0; slot < PAGE_SLOTS; slot++)
            each((const struct RBasic *)((const char *)(page + 1) + slot * slot_size), slot_size, data);
}

/* Reference counts of code objects are written at each closure's birth and death, unless they say not to be. */
static void pin_code(const mrb_irep *irep)
{
    if (irep == NULL || (irep->flags & MRB_IREP_NO_FREE))
        return;
    ((mrb_irep *)irep)->flags |= MRB_IREP_NO_FREE;
    for (int i = 0; i < irep->rlen; i++)
        pin_code(irep->reps[i]);
}

static bool is_single_byte(const struct RString *string)
{
    const char *at = RSTR_PTR(string);
    for (mrb_int left = RSTR_LEN(string); left > 0; left--, at++)
        if ((*at & 0xc0) == 0x80)
            return false;
    return true;
}

/*
 * dup and slice of a string turn its buffer into a shared one, which writes the original; a buffer that is marked as
 * not to be freed is referred to as it is. And whether all characters are single bytes is found out and noted at the
 * first String#size: note it now.
 */
static void settle_string(struct RString *string)
{
    if (!RSTR_EMBED_P(string) && !RSTR_NOFREE_P(string) && !RSTR_FSHARED_P(string) &&
        region_contains(string->as.heap.ptr)) {
        string->flags = (string->flags & ~(MRB_STR_SHARED | MRB_STR_FSHARED)) | MRB_STR_NOFREE;
        string->as.heap.aux.capa = 0;
    }
    if (!RSTR_ASCII_P(string) && is_single_byte(string))
        RSTR_SET_ASCII_FLAG(string);
}

/* The pinned tree's arrays don't share the buffers of marked ones with copies (gems/edit-mruby). */
static void settle_array(struct RArray *array)
{
#ifdef MRB_ARY_PERMANENT
    array->flags |= MRB_ARY_PERMANENT;
#else
    (void)array;
#endif
}

static void add_slot(struct heap *heap, struct RBasic *object, size_t slot_size)
{
    struct heap_span *last = heap->span_count > 0 ? &heap->spans[heap->span_count - 1] : NULL;
    if (last != NULL && last->start + last->slots * slot_size == (char *)object) {
        last->slots++;
        return;
    }
    heap->spans = xreallocarray(heap->spans, heap->span_count + 1, sizeof *heap->spans);
    heap->spans[heap->span_count++] = (struct heap_span){ .start = (char *)object, .slots = 1 };
}

static int freeze_object(mrb_state *mrb, struct RBasic *object, void *data)
{
    struct heap *heap = data;
    (void)mrb;
    add_slot(heap, object, (size_t)mrb_objspace_page_slot_size());
    if (object->tt == MRB_TT_FREE)
        return MRB_EACH_OBJ_OK;
    heap->frozen_objects++;
    object->color = BLACK;
    if (object->tt == MRB_TT_PROC) {
        const struct RProc *proc = (struct RProc *)object;
        if (!MRB_PROC_CFUNC_P(proc) && !MRB_PROC_ALIAS_P(proc))
            pin_code(proc->body.irep);
    } else if (object->tt == MRB_TT_STRING) {
        settle_string((struct RString *)object);
    } else if (object->tt == MRB_TT_ARRAY) {
        settle_array((struct RArray *)object);
    }
    return MRB_EACH_OBJ_OK;
}

/* What the stack's dead part still names must not survive as garbage. */
static void clear_dead_stack(mrb_state *mrb)
{
    struct mrb_context *context = mrb->c;
    if (context->stbase == NULL)
        return;
    for (mrb_value *value = context->ci->stack + STACK_KEPT; value < context->stend; value++)
        *value = mrb_nil_value();
}

static int find_exception(mrb_state *mrb, struct RBasic *object, void *found)
{
    if (object->tt == MRB_TT_EXCEPTION && ((struct RException *)object)->backtrace != NULL)
        mrb_ary_push(mrb, *(mrb_value *)found, mrb_obj_value(object));
    return MRB_EACH_OBJ_OK;
}

/* Exception#backtrace unpacks into the exception what it has packed when it was raised. */
static void unpack_backtraces(mrb_state *mrb)
{
    mrb_value found = mrb_ary_new(mrb);
    mrb_objspace_each_objects(mrb, find_exception, &found);
    for (mrb_int i = 0; i < RARRAY_LEN(found); i++)
        mrb_exc_backtrace(mrb, RARRAY_PTR(found)[i]);
}

static void freeze_interpreter(mrb_state *mrb)
{
    struct heap *heap = heap_of(mrb);
    mrb_gc *gc = &mrb->gc;

    unpack_backtraces(mrb);
    mrb_gc_arena_restore(mrb, 0);
    /* The variables of code that ran in the base frame lie on its stack until other code runs there. */
    mrb_vm_ci_env_clear(mrb, mrb->c->cibase);
    clear_dead_stack(mrb);
    mrb_full_gc(mrb);
    mrb_full_gc(mrb);
    mrb_objspace_each_objects(mrb, freeze_object, heap);
    gc->heaps = gc->free_heaps = gc->sweeps = NULL;
    gc->gray_list = gc->atomic_gray_list = NULL;
    gc->live = gc->live_after_mark = 0;
    gc->threshold = YOUNG_MIN;
    gc->oldgen_threshold = 4 * YOUNG_MIN;
    heap->frozen = true;
    heap->allocated = 0;
}

int heap_freeze(mrb_state *const interpreters[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        freeze_interpreter(interpreters[i]);
    return region_freeze();
}

/* The proof */

static bool remembers(mrb_state *mrb, mrb_value container)
{
    const struct remembered_set *set = &heap_of(mrb)->remembered;
    for (uint32_t i = 0; i < set->count; i++)
        if (set->items[i].object == mrb_basic_ptr(container))
            return true;
    return false;
}

const char *heap_prove_barriers(void)
{
    const char *unseen = NULL;
    mrb_state *mrb = heap_open();
    if (mrb == NULL)
        return "no interpreter could be opened";
    mrb_value holder = mrb_ary_new(mrb);
    mrb_value containers[4];
    mrb_gc_register(mrb, holder);
    containers[0] = mrb_ary_new_capa(mrb, 8);
    containers[1] = mrb_hash_new_capa(mrb, 8);
    containers[2] = mrb_obj_new(mrb, mrb->object_class, 0, NULL);
    containers[3] = mrb_ary_new_capa(mrb, 8);
    for (size_t i = 0; i < 4; i++)
        mrb_ary_push(mrb, holder, containers[i]);
    freeze_interpreter(mrb);

    mrb_value young = mrb_str_new_lit(mrb, "young");
    mrb_ary_push(mrb, containers[0], young);
    mrb_hash_set(mrb, containers[1], young, young);
    mrb_iv_set(mrb, containers[2], mrb_intern_lit(mrb, "@young"), young);
    mrb_ary_modify(mrb, mrb_ary_ptr(containers[3]));
    if (!remembers(mrb, containers[0]))
        unseen = "a store into an Array";
    else if (!remembers(mrb, containers[1]))
        unseen = "a store into a Hash";
    else if (!remembers(mrb, containers[2]))
        unseen = "a store into an instance variable";
    else if (!remembers(mrb, containers[3]))
        unseen = "the modification of an Array";
    /* The collector's root scan must be ours, too: `young` lives by the set alone. */
    mrb_ary_clear(mrb, holder);
    mrb_gc_arena_restore(mrb, 0);
    clear_dead_stack(mrb);
    mrb_full_gc(mrb);
    if (unseen == NULL && mrb_basic_ptr(young)->tt != MRB_TT_STRING)
        unseen = "the root scan";
    heap_close(mrb);
    region_reset();
    return unseen;
}
