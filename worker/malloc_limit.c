#include "malloc_limit.h"

#include "heap.h"

#define LIMIT_MIN ((size_t)16 << 20)
#define LIMIT_MAX ((size_t)32 << 20)
#define STREAM_GARBAGE ((size_t)512 << 10) /* less is not worth a collection */

void malloc_limit_start(struct heap *heap)
{
    heap->limit = LIMIT_MIN;
}

void malloc_limit_count(struct heap *heap, mrb_state *mrb, size_t size)
{
    heap->allocated += size;
    if (heap->allocated > heap->limit)
        mrb->gc.threshold = mrb->gc.oldgen_threshold = 0;
}

void malloc_limit_piece_passed(struct heap *heap, mrb_state *mrb)
{
    if (heap->frozen && heap->allocated > STREAM_GARBAGE && heap->allocated > heap->young_bytes / 2)
        mrb->gc.threshold = mrb->gc.oldgen_threshold = 0;
}

void malloc_limit_adapt(struct heap *heap)
{
    if (heap->allocated > heap->limit)
        heap->limit = heap->limit / 5 * 7 < LIMIT_MAX ? heap->limit / 5 * 7 : LIMIT_MAX;
    else
        heap->limit = heap->limit / 50 * 49 > LIMIT_MIN ? heap->limit / 50 * 49 : LIMIT_MIN;
    heap->allocated = 0;
}
