#include "codec.h"

#include <string.h>

#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/error.h>
#include <mruby/hash.h>
#include <mruby/string.h>

#define DEPTH_MAX 64

struct encoder {
    mrb_value bytes;
    int depth;
};

static void encode(mrb_state *mrb, struct encoder *encoder, mrb_value value);

bool codec_encode_scalar(mrb_value value, char scalar[STORE_INTEGER_SIZE], struct store_bytes *bytes)
{
    *bytes = (struct store_bytes){ .data = scalar, .size = 1 };
    if (mrb_nil_p(value)) {
        scalar[0] = 'n';
    } else if (mrb_true_p(value)) {
        scalar[0] = 't';
    } else if (mrb_false_p(value)) {
        scalar[0] = 'f';
    } else if (mrb_integer_p(value)) {
        int64_t number = mrb_integer(value);
        scalar[0] = STORE_INTEGER;
        memcpy(scalar + 1, &number, sizeof number);
        bytes->size = STORE_INTEGER_SIZE;
    } else if (mrb_float_p(value)) {
        double number = mrb_float(value);
        scalar[0] = 'd';
        memcpy(scalar + 1, &number, sizeof number);
        bytes->size = STORE_INTEGER_SIZE;
    } else {
        return false;
    }
    return true;
}

static void put_length(mrb_state *mrb, const struct encoder *encoder, char type, mrb_int length)
{
    char bytes[5] = { type };
    uint32_t number = (uint32_t)length;

    if (length > INT32_MAX)
        mrb_raisef(mrb, E_ARGUMENT_ERROR, "%i is too long for a shared store", length);
    memcpy(bytes + 1, &number, sizeof number);
    mrb_str_cat(mrb, encoder->bytes, bytes, sizeof bytes);
}

static int encode_pair(mrb_state *mrb, mrb_value key, mrb_value value, void *data)
{
    encode(mrb, data, key);
    encode(mrb, data, value);
    return 0;
}

static void encode(mrb_state *mrb, struct encoder *encoder, mrb_value value)
{
    char scalar[STORE_INTEGER_SIZE];
    struct store_bytes bytes;

    if (codec_encode_scalar(value, scalar, &bytes)) {
        mrb_str_cat(mrb, encoder->bytes, bytes.data, bytes.size);
        return;
    }
    switch (mrb_type(value)) {
    case MRB_TT_STRING:
        put_length(mrb, encoder, 's', RSTRING_LEN(value));
        mrb_str_cat(mrb, encoder->bytes, RSTRING_PTR(value), (size_t)RSTRING_LEN(value));
        return;
    case MRB_TT_ARRAY:
    case MRB_TT_HASH: break;
    case MRB_TT_BIGINT:
        mrb_raise(mrb, E_RANGE_ERROR, "an Integer of more than 64 bits can't be kept in a shared store");
    default:
        mrb_raisef(
            mrb, E_TYPE_ERROR,
            "%T can't be kept in a shared store: String, Integer, Float, true, false, nil, Array or Hash expected",
            value);
    }
    if (++encoder->depth > DEPTH_MAX)
        mrb_raisef(mrb, E_ARGUMENT_ERROR, "nested more than %d deep", DEPTH_MAX);
    if (mrb_array_p(value)) {
        put_length(mrb, encoder, 'a', RARRAY_LEN(value));
        for (mrb_int i = 0; i < RARRAY_LEN(value); i++)
            encode(mrb, encoder, RARRAY_PTR(value)[i]);
    } else {
        put_length(mrb, encoder, 'h', mrb_hash_size(mrb, value));
        mrb_hash_foreach(mrb, mrb_hash_ptr(value), encode_pair, encoder);
    }
    encoder->depth--;
}

mrb_value codec_encode(mrb_state *mrb, mrb_value value)
{
    struct encoder encoder = {
        .bytes = mrb_str_new_capa(mrb, mrb_string_p(value) ? RSTRING_LEN(value) + 5 : 64),
    };

    encode(mrb, &encoder, value);
    return encoder.bytes;
}

struct decoder {
    const char *at, *end;
    int depth;
};

static void damaged(mrb_state *mrb)
{
    struct RClass *store = mrb_class_get(mrb, "SharedStore");

    mrb_raise(mrb, mrb_class_get_under(mrb, store, "Error"), "the value is damaged");
}

static const char *get_bytes(mrb_state *mrb, struct decoder *decoder, size_t size)
{
    const char *bytes = decoder->at;

    if ((size_t)(decoder->end - bytes) < size)
        damaged(mrb);
    decoder->at += size;
    return bytes;
}

static uint32_t get_length(mrb_state *mrb, struct decoder *decoder)
{
    uint32_t length;

    memcpy(&length, get_bytes(mrb, decoder, sizeof length), sizeof length);
    return length;
}

static mrb_value decode(mrb_state *mrb, struct decoder *decoder);

static mrb_value decode_array(mrb_state *mrb, struct decoder *decoder)
{
    uint32_t length = get_length(mrb, decoder);
    mrb_value array = mrb_ary_new(mrb);
    int arena = mrb_gc_arena_save(mrb);

    for (uint32_t i = 0; i < length; i++) {
        mrb_ary_push(mrb, array, decode(mrb, decoder));
        mrb_gc_arena_restore(mrb, arena);
    }
    return array;
}

static mrb_value decode_hash(mrb_state *mrb, struct decoder *decoder)
{
    uint32_t length = get_length(mrb, decoder);
    mrb_value hash = mrb_hash_new(mrb);
    int arena = mrb_gc_arena_save(mrb);

    for (uint32_t i = 0; i < length; i++) {
        mrb_value key = decode(mrb, decoder);
        mrb_hash_set(mrb, hash, key, decode(mrb, decoder));
        mrb_gc_arena_restore(mrb, arena);
    }
    return hash;
}

static mrb_value decode(mrb_state *mrb, struct decoder *decoder)
{
    mrb_value value;
    int64_t integer;
    double number;

    switch (*get_bytes(mrb, decoder, 1)) {
    case 'n': return mrb_nil_value();
    case 't': return mrb_true_value();
    case 'f': return mrb_false_value();
    case STORE_INTEGER:
        memcpy(&integer, get_bytes(mrb, decoder, sizeof integer), sizeof integer);
        return mrb_int_value(mrb, (mrb_int)integer);
    case 'd':
        memcpy(&number, get_bytes(mrb, decoder, sizeof number), sizeof number);
        return mrb_float_value(mrb, number);
    case 's': {
        size_t length = get_length(mrb, decoder);
        return mrb_str_new(mrb, get_bytes(mrb, decoder, length), length);
    }
    case 'a':
    case 'h': break;
    default: damaged(mrb);
    }
    if (++decoder->depth > DEPTH_MAX)
        damaged(mrb);
    value = decoder->at[-1] == 'a' ? decode_array(mrb, decoder) : decode_hash(mrb, decoder);
    decoder->depth--;
    return value;
}

mrb_value codec_decode(mrb_state *mrb, struct store_bytes bytes)
{
    struct decoder decoder = { .at = bytes.data, .end = (const char *)bytes.data + bytes.size };

    return decode(mrb, &decoder);
}
