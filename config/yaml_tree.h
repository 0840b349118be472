/*
 * A YAML file as a tree in which every node knows its place. The one module that includes yaml.h.
 *
 * What is accepted of YAML 1.1: one document of mappings, lists and scalars, in UTF-8 (a byte order mark is skipped).
 * What is refused, each with an error at its place: anchors, aliases, merge keys and tags, because a configuration has
 * no use for them and a copy from afar is hard to read; a second document; keys that are not scalars; NUL characters;
 * nesting deeper than YAML_DEPTH_MAX. A syntax error ends the reading of a file; everything else is noted and reading
 * goes on.
 *
 * Scalars are not interpreted: `text` is what the user wrote, after YAML's quoting and escapes.
 */
#ifndef COWHERD_YAML_TREE_H
#define COWHERD_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "diagnostics.h"

#define YAML_DEPTH_MAX 32

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAPPING };

struct node {
    enum node_kind kind;
    struct place place;
    bool failed;                /* an error about this node was reported: whoever meets it again keeps quiet */
    char *text;                 /* scalars: UTF-8 without NUL */
    bool plain;                 /* scalars: written without quotes */
    struct node **items;        /* lists */
    struct node_entry *entries; /* mappings, in the file's order */
    size_t count;
};

struct node_entry {
    struct node *key; /* always a scalar */
    struct node *value;
    const struct node *first; /* the earlier key of the same text, NULL when this is the first */
};

/*
 * Reads `length` bytes of text. Returns false when the file could not be read to its end (the error is in
 * `diagnostics`); else true, with *root NULL for a file without any content. Free the tree with yaml_tree_free.
 */
bool yaml_tree_read(const struct source *source, const char *text, size_t length, struct diagnostics *diagnostics,
                    struct node **root);
void yaml_tree_free(struct node *node); /* NULL is fine */

/* The value of the first entry of that key; NULL when there is none, or when `mapping` is NULL or no mapping. */
struct node *node_find(const struct node *mapping, const char *key);

/* Nothing, `~` or `null`, unquoted. */
bool node_is_null(const struct node *node);

#endif
