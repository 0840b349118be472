/*
 * The heap of an interpreter whose preloaded part can be frozen: a permanent generation in the region, shared with all
 * workers by the fork, and a young heap of each process's own.
 *
 * Freezing: everything that lives is painted black for good and its pages are taken out of the collector's lists, so
 * that no collection ever writes to it; code objects and string buffers are marked so that reading them writes no
 * reference count and no sharing flag. Writes to frozen objects pass the write barriers (barrier.c), which fill the
 * remembered set. Kin: the Zygote space of Android's ART, gc.freeze of CPython.
 */
#ifndef COWHERD_HEAP_H
#define COWHERD_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mruby.h>

#include "remembered_set.h"

/* A run of object slots in the region. */
struct heap_span {
    char *start;
    size_t slots;
};

struct heap {
    bool frozen;
    struct heap_span *spans;
    size_t span_count;
    size_t frozen_objects;
    struct remembered_set remembered;
    bool (*extra_roots)(mrb_state *mrb, struct heap *heap); /* for the verifier */
    /* the malloc-bytes trigger */
    size_t allocated;   /* bytes since the last root scan */
    size_t limit;       /* of those, until a collection is asked for */
    size_t before;      /* bytes until the last root scan */
    size_t unwalked;    /* bytes since all remembered containers were walked, up to the last root scan */
    size_t live_after;  /* young objects after the last collection between requests */
    bool out_of_memory; /* and a backtrace is being made for the exception */
    size_t young_bytes; /* of the young heap's buffers and pages, as malloc_usable_size(3) tells */
};

static inline struct heap *heap_of(const mrb_state *mrb)
{
    return mrb->allocf_ud;
}

/* Opens an interpreter on a heap: in the region while that is open and not frozen, else with malloc(3). */
mrb_state *heap_open(void);
void heap_close(mrb_state *mrb);

/*
 * Proves with an interpreter of its own that the write barriers are seen (a build with link-time optimisation would
 * bypass them) and leaves the region empty. Before anything is loaded. NULL, or which barrier is not seen.
 */
const char *heap_prove_barriers(void);

/*
 * Freezes all interpreters that live in the region, then the region. 0, or -1 with errno. Not from within a call into
 * Ruby.
 */
int heap_freeze(mrb_state *const interpreters[], size_t count);

/* Object slots of the young heap, free ones too. */
size_t heap_young_slots(const mrb_state *mrb);

/* Calls for every slot of the young heap without changing it (mruby's own walk collects first), free ones (MRB_TT_FREE)
 * too, with its size. */
void heap_each_young(const mrb_state *mrb, void (*each)(const struct RBasic *object, size_t size, void *data),
                     void *data);

/* Calls for every slot of the permanent generation, free ones (MRB_TT_FREE) too; false from `each` ends it. */
bool heap_each_frozen(const struct heap *heap, bool (*each)(struct RBasic *object, void *data), void *data);

#endif
