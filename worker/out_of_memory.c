/*
 * mruby raises an exception that was made ahead when memory runs out, and gives it no backtrace: there could be no room
 * for one. Here room is kept.
 */
#include "out_of_memory.h"

#include <stddef.h>
#include <sys/mman.h>

#include <mruby.h>
#include <mruby/error.h>

#include "backtrace.h"
#include "heap.h"

#define RESERVE_SIZE ((size_t)4 << 20)

static void *reserve;
static uint64_t times;

uint64_t out_of_memory_count(void)
{
    return times;
}

void out_of_memory_prepare(void)
{
    if (reserve != NULL)
        return;
    reserve = mmap(NULL, RESERVE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserve == MAP_FAILED)
        reserve = NULL;
}

static void release(void)
{
    if (reserve != NULL)
        munmap(reserve, RESERVE_SIZE);
    reserve = NULL;
}

/* mruby's own, of error.c, which no header declares. */
_Noreturn void __real_mrb_raise_nomemory(mrb_state *mrb);
_Noreturn void __wrap_mrb_raise_nomemory(mrb_state *mrb);

_Noreturn void __wrap_mrb_raise_nomemory(mrb_state *mrb)
{
    struct heap *heap = heap_of(mrb);

    release();
    times++;
    if (heap != NULL && !heap->out_of_memory && mrb->nomem_err != NULL) {
        heap->out_of_memory = true;
        mrb->gc.out_of_memory = FALSE;
        ((struct RException *)mrb->nomem_err)->backtrace = NULL;
        /* Where there is no room for that either, it comes back here. */
        mrb_keep_backtrace(mrb, mrb_obj_value(mrb->nomem_err));
    }
    if (heap != NULL)
        heap->out_of_memory = false;
    mrb->gc.out_of_memory = TRUE;
    __real_mrb_raise_nomemory(mrb);
}
