/*
 * Envs by shape: a front end sends the same parameters with nearly every request, so the Hash of an env is copied from
 * one that was made before with the same keys in the same order, and only its values are written. That saves hashing
 * every key: a quarter of the instructions of a small request.
 *
 * The values are written into mruby's table of entries directly (struct hash_entry of mruby 3.3's hash.c, found by the
 * public struct RHash); rack_shape_define proves that layout first, and without it every Hash is built key by key.
 */
#ifndef COWHERD_RACK_SHAPE_H
#define COWHERD_RACK_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mruby.h>

#define RACK_SHAPE_KEYS 96
#define RACK_SHAPES 4

struct rack_shapes {
    bool usable;
    unsigned next; /* the one to be replaced */
    struct rack_shape {
        size_t count;
        uint8_t ids[RACK_SHAPE_KEYS];
        mrb_value model; /* a Hash with these keys */
    } shape[RACK_SHAPES];
};

/* Once per interpreter, from protected code. */
void rack_shape_define(mrb_state *mrb, struct rack_shapes *shapes);

/*
 * A new Hash of `count` pairs: keys[ids[i]] => values[i]. The ids are distinct, the keys frozen Strings that are the
 * same at every call; the values are protected from the collector by the caller.
 */
mrb_value rack_shape_hash(mrb_state *mrb, struct rack_shapes *shapes, const mrb_value *keys, const uint8_t *ids,
                          const mrb_value *values, size_t count);

#endif
