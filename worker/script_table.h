/*
 * The scripts of a tree by their files. A lookup writes to an entry only when asked to (script_table_touch), so that a
 * table from before the fork stays shared.
 */
#ifndef COWHERD_SCRIPT_TABLE_H
#define COWHERD_SCRIPT_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "script.h"

struct script_entry {
    struct script_entry *next; /* of the same bucket */
    uint32_t hash;
    uint64_t touched;
    struct script *script; /* NULL: a file that may not be read */
    char *path;            /* absolute; ends with `file` */
    const char *file;      /* relative to the root */
    char *script_name;     /* SCRIPT_NAME of its requests */
};

struct script_table {
    struct script_entry **buckets;
    size_t bucket_count; /* a power of two, or 0 */
    size_t count;
    uint64_t clock;
};

struct script_entry *script_table_find(const struct script_table *table, const char *file);

/* A new entry, without script. The file isn't in the table yet. `prefix` is the app's, "" for the root. */
struct script_entry *script_table_add(struct script_table *table, const char *root, const char *prefix,
                                      const char *file);

/* The entry was used now. */
void script_table_touch(struct script_table *table, struct script_entry *entry);

/* The one that was not used for longest, or NULL. */
struct script_entry *script_table_oldest(const struct script_table *table);

/* Frees the entry and its script. */
void script_table_remove(struct script_table *table, struct script_entry *entry);
void script_table_free(struct script_table *table);

#endif
