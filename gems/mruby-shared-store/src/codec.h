/*
 * Values as bytes. A byte for the type, then: 'n' nil, 't' true, 'f' false; 'i' an Integer and 'd' a Float of 8 bytes
 * in the machine's order; 's' a String, 'a' an Array, 'h' a Hash with a length of 4 bytes and what is in it. Equal
 * values have equal bytes, Hashes when they have the same order.
 */
#ifndef SHARED_STORE_CODEC_H
#define SHARED_STORE_CODEC_H

#include <mruby.h>

#include "store.h"

/* A String with the bytes. Raises TypeError, RangeError, ArgumentError for what can't be kept. */
mrb_value codec_encode(mrb_state *mrb, mrb_value value);

/* The same without an object, in `scalar`, for what fits: true. */
bool codec_encode_scalar(mrb_value value, char scalar[STORE_INTEGER_SIZE], struct store_bytes *bytes);

/* Raises SharedStore::Error when the bytes are none that codec_encode makes. */
mrb_value codec_decode(mrb_state *mrb, struct store_bytes bytes);

#endif
