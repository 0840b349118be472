/*
 * What an object refers to: the edges that mruby's collector follows from it (gc_mark_children in mruby 3.3's gc.c),
 * without touching the object's header.
 */
#ifndef COWHERD_REFERENCES_H
#define COWHERD_REFERENCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mruby.h>

/*
 * Calls `visit` for every object that `object` refers to (never NULL, maybe several times for one). false: the object's
 * references can't be enumerated from outside (a fiber's stack); nothing was visited then.
 */
bool references_visit(mrb_state *mrb, struct RBasic *object,
                      void (*visit)(mrb_state *mrb, struct RBasic *child, void *data), void *data);

/* The same without the objects from address `start` to `end`, which are passed over quickly. */
bool references_visit_outside(mrb_state *mrb, struct RBasic *object, uintptr_t start, uintptr_t end,
                              void (*visit)(mrb_state *mrb, struct RBasic *child, void *data), void *data);

/* How many there are, for containers that can be large (arrays, structs, hashes); 0 for everything else. */
size_t references_container_size(const struct RBasic *object);

#endif
