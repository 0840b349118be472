/*
 * Where mruby keeps the entries of a Hash (hash.c), which no header of it declares: in the order of insertion, the
 * deleted ones with an undefined key and a stale value.
 */
#ifndef COWHERD_HASH_LAYOUT_H
#define COWHERD_HASH_LAYOUT_H

#include <mruby.h>
#include <mruby/hash.h>

struct hash_entry {
    mrb_value key;
    mrb_value value;
};

/* The beginning of a large Hash's table. */
struct hash_table {
    struct hash_entry *entries;
};

static inline struct hash_entry *hash_entries(const struct RHash *hash)
{
    return (hash->flags & MRB_HASH_HT) != 0 ? hash->hsh.ht->entries : hash->hsh.ea;
}

#endif
