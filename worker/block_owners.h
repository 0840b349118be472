/*
 * Whose memory an address of the frozen region is: an object's slot, a buffer that an object refers to (directly, or
 * through other buffers), or the interpreter's own tables and stacks. Found by looking through the words of all frozen
 * objects for addresses of blocks, so that nothing has to be known about how mruby lays out its tables.
 */
#ifndef COWHERD_BLOCK_OWNERS_H
#define COWHERD_BLOCK_OWNERS_H

#include <stddef.h>
#include <stdint.h>

#include <mruby.h>

enum owner_kind {
    OWNER_UNKNOWN,
    OWNER_SLOT,        /* the object's slot itself */
    OWNER_BUFFER,      /* memory that belongs to the object */
    OWNER_INTERPRETER, /* mrb_state, the VM's stacks, the arena, the list of what C holds: written by whatever runs */
    OWNER_SYMBOLS,
    OWNER_GLOBALS,
};

struct owner {
    enum owner_kind kind;
    mrb_state *mrb;
    struct RBasic *object; /* of a slot or a buffer */
};

struct block_owners;

/* Looks through all interpreters of the frozen region. Costs some 20 bytes a block, and a look at every object. */
struct block_owners *block_owners_new(mrb_state *const interpreters[], size_t count);
void block_owners_free(struct block_owners *owners);

struct owner block_owners_find(const struct block_owners *owners, uintptr_t address);

/* Calls for each buffer of at least `size_min` bytes that belongs to an object of type `type`. */
void block_owners_each_buffer(const struct block_owners *owners, enum mrb_vtype type, size_t size_min,
                              void (*each)(uintptr_t start, size_t size, void *data), void *data);

#endif
