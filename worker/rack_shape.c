#include "rack_shape.h"

#include <string.h>

#include <mruby/array.h>
#include <mruby/hash.h>
#include <mruby/string.h>

#include "hash_layout.h"

static mrb_value build(mrb_state *mrb, const mrb_value *keys, const uint8_t *ids, const mrb_value *values, size_t count)
{
    mrb_value hash = mrb_hash_new_capa(mrb, (mrb_int)count + 4);

    for (size_t i = 0; i < count; i++)
        mrb_hash_set(mrb, hash, keys[ids[i]], values[i]);
    return hash;
}

/* Nothing is allocated between the copy and its last value, so that no collection sees it half written. */
static mrb_value copy(mrb_state *mrb, mrb_value model, const mrb_value *values, size_t count)
{
    mrb_value hash = mrb_hash_dup(mrb, model);
    struct hash_entry *entries = hash_entries(mrb_hash_ptr(hash));

    for (size_t i = 0; i < count; i++)
        entries[i].value = values[i];
    mrb_write_barrier(mrb, mrb_basic_ptr(hash));
    return hash;
}

/* A model keeps no request's values alive. */
static void remember(mrb_state *mrb, struct rack_shape *shape, const mrb_value *keys, const uint8_t *ids, size_t count)
{
    mrb_value nothing[RACK_SHAPE_KEYS];

    for (size_t i = 0; i < count; i++)
        nothing[i] = mrb_nil_value();
    if (shape->count > 0)
        mrb_gc_unregister(mrb, shape->model);
    shape->count = 0;
    shape->model = build(mrb, keys, ids, nothing, count);
    mrb_gc_register(mrb, shape->model);
    memcpy(shape->ids, ids, count);
    shape->count = count;
}

mrb_value rack_shape_hash(mrb_state *mrb, struct rack_shapes *shapes, const mrb_value *keys, const uint8_t *ids,
                          const mrb_value *values, size_t count)
{
    if (!shapes->usable || count == 0 || count > RACK_SHAPE_KEYS)
        return build(mrb, keys, ids, values, count);
    for (size_t i = 0; i < RACK_SHAPES; i++) {
        const struct rack_shape *shape = &shapes->shape[i];
        if (shape->count == count && memcmp(shape->ids, ids, count) == 0)
            return copy(mrb, shape->model, values, count);
    }
    struct rack_shape *shape = &shapes->shape[shapes->next];
    shapes->next = (shapes->next + 1) % RACK_SHAPES;
    remember(mrb, shape, keys, ids, count);
    return copy(mrb, shape->model, values, count);
}

/* Whether `count` values written into a copy are what the copy answers, and the model is untouched. */
static bool layout_holds(mrb_state *mrb, const mrb_value *keys, size_t count)
{
    uint8_t ids[RACK_SHAPE_KEYS];
    mrb_value zeros[RACK_SHAPE_KEYS], numbers[RACK_SHAPE_KEYS];

    for (size_t i = 0; i < count; i++) {
        ids[i] = (uint8_t)i;
        zeros[i] = mrb_fixnum_value(0);
        numbers[i] = mrb_fixnum_value((mrb_int)i + 1);
    }
    mrb_value model = build(mrb, keys, ids, zeros, count);
    mrb_value hash = mrb_hash_dup(mrb, model);
    const struct hash_entry *entries = hash_entries(mrb_hash_ptr(hash));
    for (size_t i = 0; i < count; i++)
        if (!mrb_string_p(entries[i].key) || !mrb_str_equal(mrb, entries[i].key, keys[i]))
            return false;
    hash = copy(mrb, model, numbers, count);
    for (size_t i = 0; i < count; i++)
        if (!mrb_equal(mrb, mrb_hash_get(mrb, hash, keys[i]), numbers[i]) ||
            !mrb_equal(mrb, mrb_hash_get(mrb, model, keys[i]), zeros[i]))
            return false;
    return true;
}

void rack_shape_define(mrb_state *mrb, struct rack_shapes *shapes)
{
    mrb_value keys[RACK_SHAPE_KEYS];

    for (size_t i = 0; i < RACK_SHAPE_KEYS; i++)
        keys[i] = mrb_obj_freeze(mrb, mrb_format(mrb, "key %d", (int)i));
    *shapes = (struct rack_shapes){ .usable = layout_holds(mrb, keys, 3) && layout_holds(mrb, keys, 30) &&
                                              layout_holds(mrb, keys, RACK_SHAPE_KEYS) };
}
