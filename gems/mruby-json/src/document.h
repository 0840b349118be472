/*
 * A JSON text as jansson's tree, without Ruby. All of the tree lies in one arena: it is given back at once, and how
 * much memory a text may take is bounded.
 */
#ifndef MRUBY_JSON_DOCUMENT_H
#define MRUBY_JSON_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

/* Integers in the tree from here on are placeholders: the difference is an index of `big`. */
#define DOCUMENT_BIG_FIRST INT64_C(1000000000000000000)

/* The digits of an integer, with its sign, in the text that was parsed. */
struct document_big {
    size_t offset, length;
};

struct document {
    json_t *root; /* NULL when there is an error */
    json_error_t error;
    const struct document_big *big; /* NULL when no integer has more than 18 digits that jansson can't hold */
    size_t big_count;
    struct document_block *blocks;
    char *next, *end; /* of the newest block */
    size_t used, limit;
};

/* Parses `text`, which must stay for as long as `big` is used. The tree may take `limit` bytes, 0: any number; beyond
   that the error is json_error_out_of_memory. The caller calls document_free also after an error. Not reentrant. */
bool document_parse(struct document *document, const char *text, size_t length, size_t limit);
void document_free(struct document *document);

#endif
