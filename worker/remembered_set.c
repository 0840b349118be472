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

static void list(struct remembered *item, struct RBasic *value)
{
    if (item->young_count > 0 && item->young[item->young_count - 1] == value)
        return;
    if (item->young_count == item->young_capacity) {
        item->young_capacity = item->young_capacity == 0 ? 16 : item->young_capacity * 2;
        item->young = xreallocarray(item->young, item->young_capacity, sizeof *item->young);
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

struct walk {
    struct remembered *item;
    uint32_t found;
};

static void mark_child(mrb_state *mrb, struct RBasic *child, void *data)
{
    struct walk *walk = data;
    if (!is_young(child))
        return;
    walk->found++;
    if (walk->item->large)
        list(walk->item, child);
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

/* The number of young objects that it refers to; at least 1 when that can't be known. */
static uint32_t mark_walking(mrb_state *mrb, struct remembered *item)
{
    struct walk walk = { .item = item };
    item->large = references_container_size(item->object) > REMEMBERED_LARGE;
    item->young_count = 0;
    if (!references_visit(mrb, item->object, mark_child, &walk)) {
        traverse(mrb, item->object);
        return 1;
    }
    return walk.found;
}

static uint32_t mark_listed(mrb_state *mrb, struct remembered *item)
{
    for (uint32_t i = 0; i < item->young_count; i++)
        mrb_gc_mark(mrb, item->young[i]);
    return item->young_count;
}

/* Whether the object stays in the set. */
static bool mark_item(mrb_state *mrb, struct remembered *item, bool last)
{
    bool walk = item->walk || !item->large || item->rounds >= REMEMBERED_ROUNDS;
    uint32_t found = walk ? mark_walking(mrb, item) : mark_listed(mrb, item);
    if (!last)
        return true;
    if (walk) {
        /* What is stored from here on passes a barrier again. */
        item->walk = false;
        item->rounds = 0;
        item->walk_at = 2 * item->young_count + LIST_MIN;
    } else {
        item->rounds++;
    }
    return found > 0;
}

void remembered_set_mark(struct remembered_set *set, mrb_state *mrb, bool last)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        if (mark_item(mrb, &set->items[i], last))
            set->items[kept++] = set->items[i];
        else
            free(set->items[i].young);
    }
    if (kept < set->count) {
        set->count = kept;
        index_rebuild(set);
    }
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
