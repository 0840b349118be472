#include "collector.h"

#include <mruby/gc.h>

#include "allocator.h"
#include "clock.h"
#include "heap.h"
#include "out_of_memory.h"
#include "vm.h"

#define COLLECT_OBJECTS 1024
#define COLLECT_BYTES ((size_t)4 << 20)
#define LARGE_OBJECTS 16384
#define LARGE_BYTES ((size_t)16 << 20)
#define SIZES_NS CLOCK_NS_PER_S /* the allocator's figures are no older while requests come */
#define TRIM_FRACTION 16        /* of the young heap: so much is allocated before its memory is looked through again */
#define COLLECT_IDLE_NS (50 * CLOCK_NS_PER_MS)

void collector_open(struct collector *collector, const struct config_pool *pool, const struct app_set *apps,
                    struct slot *slot)
{
    out_of_memory_prepare();
    *collector = (struct collector){ .mode = pool->gc, .apps = apps, .slot = slot };
}

static bool has_grown(const struct heap *heap, const mrb_state *mrb, size_t objects, size_t bytes)
{
    return heap->frozen && (mrb->gc.live > heap->live_after + objects || heap->allocated > bytes);
}

static bool any_has_grown(const struct collector *collector, size_t objects, size_t bytes)
{
    for (size_t i = 0; i < collector->apps->vm_count; i++) {
        const mrb_state *mrb = collector->apps->vms[i]->mrb;
        if (has_grown(heap_of(mrb), mrb, objects, bytes))
            return true;
    }
    return false;
}

static void publish_objects(const struct collector *collector)
{
    uint64_t live = 0, slots = 0;

    for (size_t i = 0; i < collector->apps->vm_count; i++) {
        live += collector->apps->vms[i]->mrb->gc.live;
        slots += heap_young_slots(collector->apps->vms[i]->mrb);
    }
    atomic_store_explicit(&collector->slot->gc_live, live, memory_order_relaxed);
    atomic_store_explicit(&collector->slot->gc_slots, slots, memory_order_relaxed);
}

static void publish_usage(struct slot *slot)
{
    struct allocator_usage usage;

    allocator_usage(&usage);
    atomic_store_explicit(&slot->allocator_used, usage.used, memory_order_relaxed);
    atomic_store_explicit(&slot->allocator_free, usage.free, memory_order_relaxed);
}

void collector_publish_sizes(struct collector *collector, int64_t now_ns)
{
    collector->sizes_ns = now_ns;
    publish_objects(collector);
    publish_usage(collector->slot);
}

static void publish(struct collector *collector, int64_t began_ns, int64_t ended_ns)
{
    struct slot *slot = collector->slot;
    uint64_t pause_us = (uint64_t)(ended_ns - began_ns) / 1000;

    atomic_fetch_add_explicit(&slot->gc_count, 1, memory_order_relaxed);
    if (pause_us > atomic_load_explicit(&slot->gc_pause_us_max, memory_order_relaxed))
        atomic_store_explicit(&slot->gc_pause_us_max, pause_us, memory_order_relaxed);
    if (ended_ns - collector->sizes_ns > SIZES_NS)
        collector_publish_sizes(collector, ended_ns);
    else
        publish_objects(collector);
}

/* Collects each interpreter that has grown by so much. */
static void collect(struct collector *collector, size_t objects, size_t bytes)
{
    int64_t began_ns = clock_monotonic_ns();

    for (size_t i = 0; i < collector->apps->vm_count; i++) {
        mrb_state *mrb = collector->apps->vms[i]->mrb;
        struct heap *heap = heap_of(mrb);
        if (!has_grown(heap, mrb, objects, bytes))
            continue;
        mrb_full_gc(mrb);
        heap->live_after = mrb->gc.live;
    }
    publish(collector, began_ns, clock_monotonic_ns());
}

void collector_after_request(struct collector *collector, int64_t now_ns)
{
    out_of_memory_prepare();
    if (collector->mode == GC_AUTOMATIC)
        return;
    collector->quiet_since_ns = now_ns;
    if (collector->mode == GC_AFTER_REQUEST && any_has_grown(collector, LARGE_OBJECTS, LARGE_BYTES))
        collect(collector, LARGE_OBJECTS, LARGE_BYTES);
}

bool collector_wants_quiet(const struct collector *collector)
{
    return collector->quiet_since_ns != 0 && collector->mode == GC_AFTER_REQUEST &&
           any_has_grown(collector, COLLECT_OBJECTS, COLLECT_BYTES);
}

/* The allocator looks at all that is free: for little it would find little. */
static void trim(struct collector *collector)
{
    size_t allocated = 0, young = 0;

    for (size_t i = 0; i < collector->apps->vm_count; i++) {
        const struct heap *heap = heap_of(collector->apps->vms[i]->mrb);
        allocated += heap->before + heap->allocated;
        young += heap->young_bytes;
    }
    if (allocated - collector->trimmed_at < young / TRIM_FRACTION)
        return;
    collector->trimmed_at = allocated;
    allocator_trim();
}

void collector_quiet(struct collector *collector, int64_t now_ns)
{
    if (collector->quiet_since_ns == 0)
        return;
    if (now_ns - collector->quiet_since_ns >= COLLECT_IDLE_NS) {
        collector->quiet_since_ns = 0;
        if (any_has_grown(collector, 0, 0))
            collect(collector, 0, 0);
        trim(collector);
        collector_publish_sizes(collector, now_ns);
    } else if (collector_wants_quiet(collector)) {
        collect(collector, COLLECT_OBJECTS, COLLECT_BYTES);
    }
}

int64_t collector_deadline(const struct collector *collector)
{
    return collector->quiet_since_ns != 0 ? collector->quiet_since_ns + COLLECT_IDLE_NS : 0;
}
