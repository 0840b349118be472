#include "block_owners.h"

#include <stdlib.h>

#include <mruby/gc.h>
#include <mruby/presym.h>
#include <mruby/variable.h>

#include "heap.h"
#include "region.h"
#include "xalloc.h"

#define PAGE 4096
#define NO_BLOCK SIZE_MAX

struct block {
    uintptr_t start;
    struct RBasic *object;
    uint32_t interpreter;
    uint8_t kind; /* enum owner_kind; OWNER_SLOT: a page of object slots */
};

struct block_owners {
    mrb_state *const *interpreters;
    size_t interpreter_count;
    struct block *blocks;
    size_t count;
    size_t *first;     /* for each page: the first block that starts behind the page's begin */
    size_t *unscanned; /* blocks that have an owner, and may refer to others */
    size_t unscanned_count, unscanned_capacity;
};

static void list_blocks(struct block_owners *owners)
{
    size_t pages = (region_bounds.end - region_bounds.start) / PAGE, page = 0;
    size_t capacity = 0;

    owners->first = xcalloc(pages + 1, sizeof *owners->first);
    for (const void *block = region_first_block(); block != NULL; block = region_next_block(block)) {
        if (owners->count == capacity) {
            capacity = capacity == 0 ? PAGE : 2 * capacity;
            owners->blocks = xreallocarray(owners->blocks, capacity, sizeof *owners->blocks);
        }
        while (page <= pages && region_bounds.start + page * PAGE < (uintptr_t)block)
            owners->first[page++] = owners->count;
        owners->blocks[owners->count++] = (struct block){ .start = (uintptr_t)block };
    }
    while (page <= pages)
        owners->first[page++] = owners->count;
}

/* The block that holds an address. */
static size_t block_at(const struct block_owners *owners, uintptr_t address)
{
    if (!region_contains((const void *)address))
        return NO_BLOCK;

    size_t page = (address - region_bounds.start) / PAGE;
    size_t low = owners->first[page], high = owners->first[page + 1];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (owners->blocks[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NO_BLOCK;

    const struct block *block = &owners->blocks[low - 1];
    return address - block->start < region_block_size((const void *)block->start) ? low - 1 : NO_BLOCK;
}

/* The first claim counts. false: there is no such block, or it has an owner. */
static bool claim(struct block_owners *owners, const void *address, struct block owner)
{
    size_t index = block_at(owners, (uintptr_t)address);

    if (index == NO_BLOCK || owners->blocks[index].kind != OWNER_UNKNOWN)
        return false;
    owner.start = owners->blocks[index].start;
    owners->blocks[index] = owner;
    if (owners->unscanned_count == owners->unscanned_capacity) {
        owners->unscanned_capacity = 2 * owners->unscanned_capacity + 64;
        owners->unscanned = xreallocarray(owners->unscanned, owners->unscanned_capacity, sizeof *owners->unscanned);
    }
    owners->unscanned[owners->unscanned_count++] = index;
    return true;
}

/* What a block has beyond the bytes that were asked for is poisoned. */
__attribute__((no_sanitize("address"))) static void scan(struct block_owners *owners, const void *start, size_t size,
                                                         struct block owner)
{
    const void *const *words = start;

    for (size_t i = 0; i < size / sizeof *words; i++)
        if (region_contains(words[i]))
            claim(owners, words[i], owner);
}

static void scan_claimed(struct block_owners *owners)
{
    while (owners->unscanned_count > 0) {
        struct block block = owners->blocks[owners->unscanned[--owners->unscanned_count]];
        scan(owners, (const void *)block.start, region_block_size((const void *)block.start), block);
    }
}

static void claim_slots(struct block_owners *owners, uint32_t interpreter)
{
    const struct heap *heap = heap_of(owners->interpreters[interpreter]);
    const struct block owner = { .interpreter = interpreter, .kind = OWNER_SLOT };

    for (size_t i = 0; i < heap->span_count; i++)
        claim(owners, heap->spans[i].start, owner);
    owners->unscanned_count = 0;
}

static void claim_tables(struct block_owners *owners, uint32_t interpreter)
{
    const mrb_state *mrb = owners->interpreters[interpreter];
    const struct mrb_context *context = mrb->root_c;
    const struct block own = { .interpreter = interpreter, .kind = OWNER_INTERPRETER };
    const struct block symbols = { .interpreter = interpreter, .kind = OWNER_SYMBOLS };
    const struct block globals = { .interpreter = interpreter, .kind = OWNER_GLOBALS };

    claim(owners, mrb, own);
    claim(owners, context, own);
    claim(owners, context->stbase, own);
    claim(owners, context->cibase, own);
    claim(owners, mrb->gc.arena, own);
    claim(owners, mrb->symtbl, symbols);
    claim(owners, mrb->symlink, symbols);
    claim(owners, mrb->symflags, symbols);
    /* What these refer to is not theirs. */
    owners->unscanned_count = 0;
    claim(owners, mrb->globals, globals);
    scan_claimed(owners);
}

struct object_scan {
    struct block_owners *owners;
    uint32_t interpreter;
};

static bool scan_object(struct RBasic *object, void *data)
{
    const struct object_scan *look = data;
    const struct block owner = { .object = object, .interpreter = look->interpreter, .kind = OWNER_BUFFER };

    if (object->tt != MRB_TT_FREE) {
        scan(look->owners, object, (size_t)mrb_objspace_page_slot_size(), owner);
        scan_claimed(look->owners);
    }
    return true;
}

struct block_owners *block_owners_new(mrb_state *const interpreters[], size_t count)
{
    struct block_owners *owners = xcalloc(1, sizeof *owners);

    owners->interpreters = interpreters;
    owners->interpreter_count = count;
    list_blocks(owners);
    for (uint32_t i = 0; i < count; i++)
        claim_slots(owners, i);
    for (uint32_t i = 0; i < count; i++)
        claim_tables(owners, i);
    for (uint32_t i = 0; i < count; i++) {
        struct object_scan look = { .owners = owners, .interpreter = i };
        heap_each_frozen(heap_of(interpreters[i]), scan_object, &look);
    }
    return owners;
}

void block_owners_free(struct block_owners *owners)
{
    if (owners == NULL)
        return;
    free(owners->blocks);
    free(owners->first);
    free(owners->unscanned);
    free(owners);
}

static struct RBasic *slot_at(const struct heap *heap, uintptr_t address)
{
    size_t slot_size = (size_t)mrb_objspace_page_slot_size();

    for (size_t i = 0; i < heap->span_count; i++) {
        size_t offset = address - (uintptr_t)heap->spans[i].start;
        if (offset < heap->spans[i].slots * slot_size)
            return (struct RBasic *)(heap->spans[i].start + offset / slot_size * slot_size);
    }
    return NULL;
}

/* The array of mrb_gc_register: what C code holds on to. */
static bool is_root_array(mrb_state *mrb, const struct RBasic *object)
{
    mrb_value roots = mrb_gv_get(mrb, MRB_SYM(_gc_root_));

    return mrb_array_p(roots) && mrb_basic_ptr(roots) == object;
}

struct owner block_owners_find(const struct block_owners *owners, uintptr_t address)
{
    struct owner owner = { .kind = OWNER_UNKNOWN };
    size_t index = block_at(owners, address);

    if (index == NO_BLOCK || owners->blocks[index].kind == OWNER_UNKNOWN)
        return owner;

    const struct block *block = &owners->blocks[index];
    owner.kind = block->kind;
    owner.mrb = owners->interpreters[block->interpreter];
    owner.object = block->object;
    if (block->kind == OWNER_SLOT) {
        owner.object = slot_at(heap_of(owner.mrb), address);
        if (owner.object == NULL)
            owner.kind = OWNER_UNKNOWN;
    }
    if (owner.object != NULL && is_root_array(owner.mrb, owner.object))
        owner.kind = OWNER_INTERPRETER;
    return owner;
}

void block_owners_each_buffer(const struct block_owners *owners, enum mrb_vtype type, size_t size_min,
                              void (*each)(uintptr_t start, size_t size, void *data), void *data)
{
    for (size_t i = 0; i < owners->count; i++) {
        const struct block *block = &owners->blocks[i];
        size_t size = region_block_size((const void *)block->start);
        if (block->kind == OWNER_BUFFER && block->object->tt == type && size >= size_min)
            each(block->start, size, data);
    }
}
