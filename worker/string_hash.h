/*
 * How Strings are hashed in mruby's Hashes. mruby's own function, FNV-1, is the same everywhere: who knows it can send
 * thousands of names that all come to one number, and a Hash of n of them takes n * n / 2 comparisons to build. Here it
 * is SipHash-1-3 under a key that each mold makes for itself and its workers have from it.
 */
#ifndef COWHERD_STRING_HASH_H
#define COWHERD_STRING_HASH_H

#include <stddef.h>
#include <stdint.h>

#include <mruby.h>

/* SipHash-1-3 of `length` bytes. */
uint64_t string_hash_sip(const uint64_t key[2], const void *bytes, size_t length);

/* Has String#hash say the same as Hashes: Arrays and Structs as keys are hashed by it. */
void string_hash_define(mrb_state *mrb);

#endif
