#include "script_table.h"

#include <stdlib.h>
#include <string.h>

#include "xalloc.h"

#define BUCKETS_MIN 64

/* FNV-1a: who asks for files has no say in which ones are in the table. */
static uint32_t hash_of(const char *file)
{
    uint32_t hash = 2166136261u;

    for (; *file != '\0'; file++)
        hash = (hash ^ (unsigned char)*file) * 16777619u;
    return hash;
}

static struct script_entry **bucket_of(const struct script_table *table, uint32_t hash)
{
    return &table->buckets[hash & (table->bucket_count - 1)];
}

struct script_entry *script_table_find(const struct script_table *table, const char *file)
{
    uint32_t hash = hash_of(file);

    if (table->bucket_count == 0)
        return NULL;
    for (struct script_entry *entry = *bucket_of(table, hash); entry != NULL; entry = entry->next)
        if (entry->hash == hash && strcmp(entry->file, file) == 0)
            return entry;
    return NULL;
}

static void link_entry(struct script_table *table, struct script_entry *entry)
{
    struct script_entry **bucket = bucket_of(table, entry->hash);

    entry->next = *bucket;
    *bucket = entry;
}

static void grow(struct script_table *table)
{
    struct script_table bigger = { .bucket_count = table->bucket_count > 0 ? table->bucket_count * 2 : BUCKETS_MIN };

    bigger.buckets = xcalloc(bigger.bucket_count, sizeof(struct script_entry *));
    for (size_t i = 0; i < table->bucket_count; i++)
        for (struct script_entry *entry = table->buckets[i], *next; entry != NULL; entry = next) {
            next = entry->next;
            link_entry(&bigger, entry);
        }
    free(table->buckets);
    table->buckets = bigger.buckets;
    table->bucket_count = bigger.bucket_count;
}

struct script_entry *script_table_add(struct script_table *table, const char *root, const char *prefix,
                                      const char *file)
{
    struct script_entry *entry = xcalloc(1, sizeof *entry);
    const char *slash = root[strlen(root) - 1] == '/' ? "" : "/";

    if (table->count >= table->bucket_count)
        grow(table);
    entry->path = xasprintf("%s%s%s", root, slash, file);
    entry->script_name = xasprintf("%s/%s", prefix, file);
    entry->file = entry->path + strlen(root) + strlen(slash);
    entry->hash = hash_of(file);
    link_entry(table, entry);
    table->count++;
    return entry;
}

void script_table_touch(struct script_table *table, struct script_entry *entry)
{
    entry->touched = ++table->clock;
}

struct script_entry *script_table_oldest(const struct script_table *table)
{
    struct script_entry *oldest = NULL;

    for (size_t i = 0; i < table->bucket_count; i++)
        for (struct script_entry *entry = table->buckets[i]; entry != NULL; entry = entry->next)
            if (oldest == NULL || entry->touched < oldest->touched)
                oldest = entry;
    return oldest;
}

static void free_entry(struct script_entry *entry)
{
    script_free(entry->script);
    free(entry->path);
    free(entry->script_name);
    free(entry);
}

void script_table_remove(struct script_table *table, struct script_entry *entry)
{
    struct script_entry **link = bucket_of(table, entry->hash);

    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    table->count--;
    free_entry(entry);
}

void script_table_free(struct script_table *table)
{
    for (size_t i = 0; i < table->bucket_count; i++)
        for (struct script_entry *entry = table->buckets[i], *next; entry != NULL; entry = next) {
            next = entry->next;
            free_entry(entry);
        }
    free(table->buckets);
    *table = (struct script_table){ 0 };
}
