#include "remembered_set.h"

#include <stdlib.h>
#include <string.h>

#include <mruby/gc.h>

#include "references.h"
#include "region.h"
#include "xalloc.h"

#define GRAY 0
#define LIST_MIN 64

static bool is_young(const struct RBasic *object)
{
    return !region_contains(object) && object->color != MRB_GC_RED;
}

static uint32_t hash_of(const struct RBasic *object)
{
    uint64_t bits = (uint64_t)(uintptr_t)object * UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(bits >> 32);
}

static void index_insert(struct remembered_set *set, uint32_t position)
{
    uint32_t at = hash_of(set->items[position].object) & (set->index_size - 1);
    while (set->index[at] != 0)
        at = (at + 1) & (set->index_size - 1);
    set->index[at] = position + 1;
}

static void index_rebuild(struct remembered_set *set)
{
    memset(set->index, 0, set->index_size * sizeof *set->index);
    for (uint32_t i = 0; i < set->count; i++)
        index_insert(set, i);
}

static struct remembered *find(const struct remembered_set *set, const struct RBasic *object)
{
    if (set->index_size == 0)
        return NULL;
    uint32_t at = hash_of(object) & (set->index_size - 1);
    for (; set->index[at] != 0; at = (at + 1) & (set->index_size - 1))
        if (set->items[set->index[at] - 1].object == object)
            return &set->items[set->index[at] - 1];
    return NULL;
}

static void grow(struct remembered_set *set)
{
    set->capacity = set->capacity == 0 ? 64 : set->capacity * 2;
    set->items = xreallocarray(set->items, set->capacity, sizeof *set->items);
    set->index_size = set->capacity * 2;
    free(set->index);
    set->index = xcalloc(set->index_size, sizeof *set->index);
    index_rebuild(set);
}

static struct remembered *find_or_add(struct remembered_set *set, struct RBasic *object)
{
    struct remembered *item = find(set, object);
    if (item != NULL)
        return item;
    if (set->count == set->capacity)
        grow(set);
    item = &set->items[set->count++];
    *item = (struct remembered){
        .object = object,
        .large = references_container_size(object) > REMEMBERED_LARGE,
        .walk_at = LIST_MIN,
    };
    index_insert(set, set->count - 1);
    return item;
}

/* Without memory for a list the container is walked. */
static void list(struct remembered *item, struct RBasic *value)
{
    if (item->young_count > 0 && item->young[item->young_count - 1] == value)
        return;
    if (item->young_count == item->young_capacity) {
        uint32_t capacity = item->young_capacity == 0 ? 16 : item->young_capacity * 2;
        struct RBasic **young = reallocarray(item->young, capacity, sizeof *young);
        if (young == NULL) {
            item->incomplete = item->walk = true;
            return;
        }
        item->young = young;
        item->young_capacity = capacity;
    }
    item->young[item->young_count++] = value;
}

void remembered_set_add(struct remembered_set *set, struct RBasic *object)
{
    find_or_add(set, object)->walk = true;
}

void remembered_set_add_value(struct remembered_set *set, struct RBasic *object, struct RBasic *value)
{
    struct remembered *item = find_or_add(set, object);
    /* One that is walked anyway, or that grew large since, needs no list. */
    if (!item->large || item->walk) {
        item->walk = true;
        return;
    }
    list(item, value);
    if (item->young_count >= item->walk_at)
        item->walk = true;
}

static void mark_child(mrb_state *mrb, struct RBasic *child, void *data)
{
    struct remembered *item = data;
    if (!is_young(child))
        return;
    item->found++;
    if (item->large)
        list(item, child);
    mrb_gc_mark(mrb, child);
}

/* A fiber's stack is known to mruby alone: painted gray, it is traversed as any other. */
static void traverse(mrb_state *mrb, struct RBasic *object)
{
    if (object->color == GRAY)
        return;
    object->color = GRAY;
    object->gcnext = mrb->gc.gray_list;
    mrb->gc.gray_list = object;
}

static void mark_walking(mrb_state *mrb, struct remembered *item)
{
    item->large = references_container_size(item->object) > REMEMBERED_LARGE;
    item->young_count = 0;
    item->found = 0;
    item->incomplete = false;
    if (references_visit_outside(mrb, item->object, region_bounds.start, region_bounds.end, mark_child, item))
        return;
    traverse(mrb, item->object);
    item->found = 1; /* that can't be known */
}

static void mark_listed(mrb_state *mrb, struct remembered *item)
{
    for (uint32_t i = 0; i < item->young_count; i++)
        mrb_gc_mark(mrb, item->young[i]);
    item->found = item->young_count;
}

static bool is_to_walk(const struct remembered *item)
{
    return item->walk || !item->large || item->rounds >= REMEMBERED_ROUNDS;
}

static void mark_items(struct remembered_set *set, mrb_state *mrb)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (is_to_walk(&set->items[i]))
            mark_walking(mrb, &set->items[i]);
        else
            mark_listed(mrb, &set->items[i]);
    }
}

/* Whether it stays in the set. */
static bool settle_item(struct remembered *item)
{
    if (is_to_walk(item)) {
        /* What is stored from here on passes a barrier again. */
        item->walk = item->incomplete;
        item->rounds = 0;
        item->walk_at = 2 * item->young_count + LIST_MIN;
    } else {
        item->rounds++;
    }
    return item->found > 0;
}

static void settle_items(struct remembered_set *set)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < set->count; i++) {
        if (settle_item(&set->items[i]))
            set->items[kept++] = set->items[i];
        else
            free(set->items[i].young);
    }
    if (kept < set->count) {
        set->count = kept;
        index_rebuild(set);
    }
}

void remembered_set_mark(struct remembered_set *set, mrb_state *mrb, bool last)
{
    /* Steps of a collection are taken where objects are allocated: with none since, nothing has run since. */
    if (!last || mrb->gc.live != set->live_before)
        mark_items(set, mrb);
    if (last)
        settle_items(set);
    else
        set->live_before = mrb->gc.live;
}

void remembered_set_walk_all(struct remembered_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        set->items[i].walk = true;
}

void remembered_set_clear(struct remembered_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        free(set->items[i].young);
    free(set->items);
    free(set->index);
    *set = (struct remembered_set){ 0 };
}
