/*
 * Stores of values that processes share, from C: where they lie, and which one is Ruby's SharedStore.default.
 *
 * A store is opened at its first use in each process, and again in a child that comes from fork(3).
 */
#ifndef MRUBY_SHARED_STORE_H
#define MRUBY_SHARED_STORE_H

#include <stdint.h>

#include <mruby.h>

MRB_BEGIN_DECL

struct shared_store;

/*
 * One in memory: two memfds, empty ones for a new store, that stay the caller's and must stay open. Every process that
 * has got them, by fork or over a socket, has the same store. `size`: bytes that its entries may take. For each pair of
 * descriptors at most one in a process. NULL: no memory.
 */
MRB_API struct shared_store *shared_store_of_memory(int data, int lock, int64_t size);

/* One in the file `path` (absolute), with a second file, PATH-lock, beside it. For the same path the same store. */
MRB_API struct shared_store *shared_store_of_file(const char *path, int64_t size);

/* Opens it now: NULL, or why that can't be (valid until the next call with this store). */
MRB_API const char *shared_store_open(struct shared_store *store);

/* Closes all that this process has open; each is opened again at its next use. For before a fork. */
MRB_API void shared_store_close_all(void);

/* Lets go of one. Objects that stand for it hold it, too. */
MRB_API void shared_store_release(struct shared_store *store);

/* An object of class SharedStore that stands for it. */
MRB_API mrb_value mrb_shared_store_object(mrb_state *mrb, struct shared_store *store);

/*
 * What SharedStore.default is from now on, in this process, in this interpreter: such an object, which the caller keeps
 * alive, or nil: there is none.
 */
MRB_API void mrb_shared_store_select(mrb_state *mrb, mrb_value object);

MRB_END_DECL

#endif
