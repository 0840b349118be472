/*
 * Proves the remembered set: runs a full collection with the set alone as additional roots, and looks at the end of its
 * marking phase at every reference from every frozen object.
 */
#ifndef COWHERD_TEST_HEAP_VERIFY_H
#define COWHERD_TEST_HEAP_VERIFY_H

#include <stddef.h>

#include <mruby.h>

struct heap_verdict {
    size_t lost;      /* young objects that a frozen one refers to and that the set didn't keep (they are kept now) */
    size_t repainted; /* frozen objects that the collection left in another colour than black */
    size_t young;     /* live young objects afterwards */
};

struct heap_verdict heap_verify(mrb_state *mrb);

#endif
