/* The class SharedStore. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include <mruby.h>
#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/data.h>
#include <mruby/error.h>
#include <mruby/hash.h>
#include <mruby/numeric.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include "codec.h"
#include "store.h"

#define DEFAULT_SIZE (INT64_C(16) << 20)
#define NS_PER_S 1e9

/* A process serves one app at a time. */
static struct {
    mrb_state *mrb;
    mrb_value object;
} selected;

static void free_store(mrb_state *mrb, void *store)
{
    (void)mrb;
    shared_store_release(store);
}

static const struct mrb_data_type store_type = { "SharedStore", free_store };

static struct RClass *store_class(mrb_state *mrb)
{
    return mrb_class_get(mrb, "SharedStore");
}

static struct shared_store *store_of(mrb_state *mrb, mrb_value self)
{
    struct shared_store *store = DATA_GET_PTR(mrb, self, &store_type, struct shared_store);

    if (store == NULL)
        mrb_raise(mrb, E_ARGUMENT_ERROR, "uninitialized SharedStore");
    return store;
}

static mrb_noreturn void raise_result(mrb_state *mrb, const struct shared_store *store, enum store_result result)
{
    struct RClass *error = mrb_class_get_under(mrb, store_class(mrb), "Error");

    switch (result) {
    case STORE_NO_INTEGER: mrb_raise(mrb, E_TYPE_ERROR, "the value is no Integer");
    case STORE_OVERFLOW: mrb_raise(mrb, E_RANGE_ERROR, "the sum has more than 64 bits");
    case STORE_TOO_LARGE:
        mrb_raise(mrb, mrb_class_get_under(mrb, store_class(mrb), "FullError"), "larger than the whole store");
    default: mrb_raise(mrb, error, store_error(store));
    }
}

static struct store_bytes key_bytes(mrb_state *mrb, mrb_value key)
{
    if (!mrb_string_p(key))
        mrb_raisef(mrb, E_TYPE_ERROR, "a key must be a String, not %T", key);
    if (RSTRING_LEN(key) > STORE_KEY_MAX)
        mrb_raisef(mrb, E_ARGUMENT_ERROR, "a key has at most %d bytes, this one has %i", STORE_KEY_MAX,
                   RSTRING_LEN(key));
    return (struct store_bytes){ .data = RSTRING_PTR(key), .size = (size_t)RSTRING_LEN(key) };
}

/* `scalar` is where small values are, others become objects. */
static struct store_bytes value_bytes(mrb_state *mrb, mrb_value value, char scalar[STORE_INTEGER_SIZE])
{
    struct store_bytes bytes;

    if (codec_encode_scalar(value, scalar, &bytes))
        return bytes;
    mrb_value encoded = codec_encode(mrb, value);
    return (struct store_bytes){ .data = RSTRING_PTR(encoded), .size = (size_t)RSTRING_LEN(encoded) };
}

/* Seconds to nanoseconds; nil or not given: 0. */
static int64_t lifetime_of(mrb_state *mrb, mrb_value seconds)
{
    if (mrb_nil_p(seconds) || mrb_undef_p(seconds))
        return 0;
    if (!mrb_integer_p(seconds) && !mrb_float_p(seconds))
        mrb_raisef(mrb, E_TYPE_ERROR, "expires_in must be seconds or nil, not %T", seconds);
    double nanoseconds = mrb_as_float(mrb, seconds) * NS_PER_S;
    if (!(nanoseconds >= 1))
        mrb_raise(mrb, E_ARGUMENT_ERROR, "expires_in must be more than 0");
    return nanoseconds < 9e18 ? (int64_t)nanoseconds : INT64_MAX;
}

static const mrb_kwargs *expires_in(mrb_state *mrb, mrb_sym *name, mrb_value *value, mrb_kwargs *keywords)
{
    *name = mrb_intern_lit(mrb, "expires_in");
    *value = mrb_undef_value();
    *keywords = (mrb_kwargs){ .num = 1, .required = 0, .table = name, .values = value };
    return keywords;
}

/* SharedStore.new(size: 16 << 20, file: nil) */
static mrb_value initialize(mrb_state *mrb, mrb_value self)
{
    mrb_sym names[] = { mrb_intern_lit(mrb, "size"), mrb_intern_lit(mrb, "file") };
    mrb_value values[2] = { mrb_undef_value(), mrb_undef_value() };
    mrb_kwargs keywords = { .num = 2, .required = 0, .table = names, .values = values };
    struct shared_store *store;

    mrb_get_args(mrb, ":", &keywords);
    mrb_int size = mrb_undef_p(values[0]) ? DEFAULT_SIZE : mrb_as_int(mrb, values[0]);
    if (size < STORE_SIZE_MIN || size > INT64_C(1) << 40)
        mrb_raisef(mrb, E_ARGUMENT_ERROR, "size must be from %d to 1 << 40 bytes", STORE_SIZE_MIN);
    if (mrb_undef_p(values[1]) || mrb_nil_p(values[1])) {
        store = store_of_own_memory(size);
    } else {
        const char *path = mrb_string_cstr(mrb, values[1]);
        if (path[0] != '/')
            mrb_raise(mrb, E_ARGUMENT_ERROR, "file must be an absolute path");
        store = shared_store_of_file(path, size);
    }
    if (store == NULL)
        mrb_raisef(mrb, E_RUNTIME_ERROR, "there is no memory for a store: %s", strerror(errno));
    if (DATA_PTR(self) != NULL)
        shared_store_release(DATA_PTR(self));
    mrb_data_init(self, store, &store_type);
    return self;
}

static mrb_value get_default(mrb_state *mrb, mrb_value self)
{
    (void)self;
    if (selected.mrb == mrb && mrb_data_p(selected.object))
        return selected.object;
    mrb_raise(mrb, mrb_class_get_under(mrb, store_class(mrb), "Error"),
              "there is no store here: the app needs one in its configuration, such as store: {size: 16MiB}");
}

static mrb_value get(mrb_state *mrb, mrb_value self)
{
    struct shared_store *store = store_of(mrb, self);
    struct store_bytes bytes;
    mrb_value key, absent = mrb_nil_value();

    mrb_get_args(mrb, "o|o", &key, &absent);
    enum store_result result = store_get(store, key_bytes(mrb, key), &bytes);
    if (result == STORE_ABSENT)
        return absent;
    if (result != STORE_DONE)
        raise_result(mrb, store, result);
    mrb_value value = codec_decode(mrb, bytes);
    store_release(store);
    return value;
}

static mrb_value has_key(mrb_state *mrb, mrb_value self)
{
    struct shared_store *store = store_of(mrb, self);
    struct store_bytes bytes;
    mrb_value key;

    mrb_get_args(mrb, "o", &key);
    enum store_result result = store_get(store, key_bytes(mrb, key), &bytes);
    if (result == STORE_FAILED)
        raise_result(mrb, store, result);
    store_release(store);
    return mrb_bool_value(result == STORE_DONE);
}

typedef enum store_result put_func(struct shared_store *store, struct store_bytes key, struct store_bytes value,
                                   int64_t lifetime);

/* (key, value, expires_in: nil), for what stores a value. Raises for any result but DONE and DIFFERENT. */
static enum store_result put(mrb_state *mrb, mrb_value self, put_func *function, mrb_value *value)
{
    struct shared_store *store = store_of(mrb, self);
    char scalar[STORE_INTEGER_SIZE];
    mrb_sym name;
    mrb_value key, seconds;
    mrb_kwargs keywords;

    mrb_get_args(mrb, "oo:", &key, value, expires_in(mrb, &name, &seconds, &keywords));
    struct store_bytes bytes = value_bytes(mrb, *value, scalar);
    enum store_result result = function(store, key_bytes(mrb, key), bytes, lifetime_of(mrb, seconds));
    if (result != STORE_DONE && result != STORE_DIFFERENT)
        raise_result(mrb, store, result);
    return result;
}

static mrb_value set_value(mrb_state *mrb, mrb_value self)
{
    mrb_value value;

    put(mrb, self, store_set, &value);
    return value;
}

static mrb_value add_value(mrb_state *mrb, mrb_value self)
{
    mrb_value value;

    return mrb_bool_value(put(mrb, self, store_add, &value) == STORE_DONE);
}

static mrb_value compare_and_set(mrb_state *mrb, mrb_value self)
{
    struct shared_store *store = store_of(mrb, self);
    char scalars[2][STORE_INTEGER_SIZE];
    mrb_sym name;
    mrb_value key, old, value, seconds;
    mrb_kwargs keywords;

    mrb_get_args(mrb, "ooo:", &key, &old, &value, expires_in(mrb, &name, &seconds, &keywords));
    struct store_bytes before = value_bytes(mrb, old, scalars[0]), bytes = value_bytes(mrb, value, scalars[1]);
    enum store_result result = store_exchange(store, key_bytes(mrb, key), before, bytes, lifetime_of(mrb, seconds));
    if (result != STORE_DONE && result != STORE_DIFFERENT && result != STORE_ABSENT)
        raise_result(mrb, store, result);
    return mrb_bool_value(result == STORE_DONE);
}

static mrb_value change(mrb_state *mrb, mrb_value self, bool down)
{
    struct shared_store *store = store_of(mrb, self);
    mrb_sym name;
    mrb_value key, amount = mrb_fixnum_value(1), seconds;
    mrb_kwargs keywords;
    int64_t sum, by;

    mrb_get_args(mrb, "o|o:", &key, &amount, expires_in(mrb, &name, &seconds, &keywords));
    if (!mrb_integer_p(amount))
        mrb_raisef(mrb, E_TYPE_ERROR, "the amount must be an Integer of at most 64 bits, not %T", amount);
    by = mrb_integer(amount);
    if (down && __builtin_sub_overflow(0, by, &by))
        raise_result(mrb, store, STORE_OVERFLOW);
    enum store_result result = store_increment(store, key_bytes(mrb, key), by, lifetime_of(mrb, seconds), &sum);
    if (result != STORE_DONE)
        raise_result(mrb, store, result);
    return mrb_int_value(mrb, (mrb_int)sum);
}

static mrb_value increment(mrb_state *mrb, mrb_value self)
{
    return change(mrb, self, false);
}

static mrb_value decrement(mrb_state *mrb, mrb_value self)
{
    return change(mrb, self, true);
}

static mrb_value delete_key(mrb_state *mrb, mrb_value self)
{
    struct shared_store *store = store_of(mrb, self);
    struct store_bytes bytes;
    mrb_value key;

    mrb_get_args(mrb, "o", &key);
    enum store_result result = store_delete(store, key_bytes(mrb, key), &bytes);
    if (result == STORE_ABSENT)
        return mrb_nil_value();
    if (result != STORE_DONE)
        raise_result(mrb, store, result);
    return codec_decode(mrb, bytes);
}

static mrb_value clear(mrb_state *mrb, mrb_value self)
{
    struct shared_store *store = store_of(mrb, self);
    enum store_result result = store_clear(store);

    if (result != STORE_DONE)
        raise_result(mrb, store, result);
    return self;
}

static struct store_books read_books(mrb_state *mrb, mrb_value self)
{
    struct shared_store *store = store_of(mrb, self);
    struct store_books books;
    enum store_result result = store_stat(store, &books);

    if (result != STORE_DONE)
        raise_result(mrb, store, result);
    return books;
}

static mrb_value size(mrb_state *mrb, mrb_value self)
{
    return mrb_int_value(mrb, (mrb_int)read_books(mrb, self).count);
}

static mrb_value stat_hash(mrb_state *mrb, mrb_value self)
{
    struct store_books books = read_books(mrb, self);
    mrb_value hash = mrb_hash_new(mrb);

    mrb_hash_set(mrb, hash, mrb_str_new_lit(mrb, "entries"), mrb_int_value(mrb, (mrb_int)books.count));
    mrb_hash_set(mrb, hash, mrb_str_new_lit(mrb, "bytes"), mrb_int_value(mrb, (mrb_int)books.bytes));
    mrb_hash_set(mrb, hash, mrb_str_new_lit(mrb, "size"), mrb_int_value(mrb, (mrb_int)books.size));
    return hash;
}

static mrb_value keys(mrb_state *mrb, mrb_value self)
{
    struct shared_store *store = store_of(mrb, self);
    mrb_value array = mrb_ary_new(mrb);
    struct store_bytes at = { 0 };
    enum store_result result;
    int arena = mrb_gc_arena_save(mrb);

    while ((result = store_next_key(store, at, &at)) == STORE_DONE) {
        mrb_value key = mrb_str_new(mrb, at.data, at.size);
        store_release(store);
        mrb_ary_push(mrb, array, key);
        at = (struct store_bytes){ .data = RSTRING_PTR(key), .size = (size_t)RSTRING_LEN(key) };
        mrb_gc_arena_restore(mrb, arena);
    }
    if (result != STORE_ABSENT)
        raise_result(mrb, store, result);
    return array;
}

static mrb_value store_inspect(mrb_state *mrb, mrb_value self)
{
    (void)store_of(mrb, self);
    return mrb_any_to_s(mrb, self);
}

mrb_value mrb_shared_store_object(mrb_state *mrb, struct shared_store *store)
{
    struct RData *object = mrb_data_object_alloc(mrb, store_class(mrb), NULL, &store_type);

    store_hold(store);
    object->data = store;
    return mrb_obj_value(object);
}

void mrb_shared_store_select(mrb_state *mrb, mrb_value object)
{
    selected.mrb = mrb;
    selected.object = object;
}

void mrb_mruby_shared_store_gem_init(mrb_state *mrb)
{
    struct RClass *class = mrb_define_class(mrb, "SharedStore", mrb->object_class);
    struct RClass *error = mrb_define_class_under(mrb, class, "Error", E_STANDARD_ERROR);

    mrb_define_class_under(mrb, class, "FullError", error);
    MRB_SET_INSTANCE_TT(class, MRB_TT_CDATA);
    mrb_define_class_method(mrb, class, "default", get_default, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "initialize", initialize, MRB_ARGS_KEY(2, 0));
    mrb_define_method(mrb, class, "get", get, MRB_ARGS_ARG(1, 1));
    mrb_define_method(mrb, class, "[]", get, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "set", set_value, MRB_ARGS_REQ(2) | MRB_ARGS_KEY(1, 0));
    mrb_define_method(mrb, class, "[]=", set_value, MRB_ARGS_REQ(2));
    mrb_define_method(mrb, class, "add", add_value, MRB_ARGS_REQ(2) | MRB_ARGS_KEY(1, 0));
    mrb_define_method(mrb, class, "compare_and_set", compare_and_set, MRB_ARGS_REQ(3) | MRB_ARGS_KEY(1, 0));
    mrb_define_method(mrb, class, "increment", increment, MRB_ARGS_ARG(1, 1) | MRB_ARGS_KEY(1, 0));
    mrb_define_method(mrb, class, "decrement", decrement, MRB_ARGS_ARG(1, 1) | MRB_ARGS_KEY(1, 0));
    mrb_define_method(mrb, class, "delete", delete_key, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "key?", has_key, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "include?", has_key, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "has_key?", has_key, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "clear", clear, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "size", size, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "length", size, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "stat", stat_hash, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "keys", keys, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "inspect", store_inspect, MRB_ARGS_NONE());
}

void mrb_mruby_shared_store_gem_final(mrb_state *mrb)
{
    if (selected.mrb == mrb)
        selected.mrb = NULL;
}
