#include "record.h"

#include <stdio.h>

#include <mruby/array.h>
#include <mruby/error.h>
#include <mruby/hash.h>
#include <mruby/string.h>

struct reading {
    MMDB_entry_data_list_s *at; /* NULL: at the end */
};

static mrb_value convert(mrb_state *mrb, struct reading *reading);

static mrb_value convert_map(mrb_state *mrb, struct reading *reading, uint32_t size)
{
    mrb_value map = mrb_hash_new(mrb);
    int arena = mrb_gc_arena_save(mrb);

    for (uint32_t i = 0; i < size && reading->at != NULL; i++) {
        mrb_value key = mrb_obj_freeze(mrb, convert(mrb, reading));
        mrb_hash_set(mrb, map, key, convert(mrb, reading));
        mrb_gc_arena_restore(mrb, arena);
    }
    return map;
}

static mrb_value convert_array(mrb_state *mrb, struct reading *reading, uint32_t size)
{
    mrb_value array = mrb_ary_new(mrb);
    int arena = mrb_gc_arena_save(mrb);

    for (uint32_t i = 0; i < size && reading->at != NULL; i++) {
        mrb_ary_push(mrb, array, convert(mrb, reading));
        mrb_gc_arena_restore(mrb, arena);
    }
    return array;
}

static mrb_value convert_large(mrb_state *mrb, uint64_t high, uint64_t low)
{
    char digits[40];

    if (high == 0 && low <= INT64_MAX)
        return mrb_int_value(mrb, (mrb_int)low);
    snprintf(digits, sizeof digits, "%llx%016llx", (unsigned long long)high, (unsigned long long)low);
    return mrb_str_to_integer(mrb, mrb_str_new_cstr(mrb, digits), 16, FALSE);
}

static mrb_value convert_uint128(mrb_state *mrb, const MMDB_entry_data_s *data)
{
#if MMDB_UINT128_IS_BYTE_ARRAY
    uint64_t halves[2] = { 0, 0 };

    for (int i = 0; i < 16; i++)
        halves[i / 8] = halves[i / 8] << 8 | data->uint128[i];
    return convert_large(mrb, halves[0], halves[1]);
#else
    return convert_large(mrb, (uint64_t)(data->uint128 >> 64), (uint64_t)data->uint128);
#endif
}

static mrb_value convert(mrb_state *mrb, struct reading *reading)
{
    if (reading->at == NULL)
        return mrb_nil_value();
    const MMDB_entry_data_s *data = &reading->at->entry_data;
    reading->at = reading->at->next;
    switch (data->type) {
    case MMDB_DATA_TYPE_MAP: return convert_map(mrb, reading, data->data_size);
    case MMDB_DATA_TYPE_ARRAY: return convert_array(mrb, reading, data->data_size);
    case MMDB_DATA_TYPE_UTF8_STRING: return mrb_str_new(mrb, data->utf8_string, data->data_size);
    case MMDB_DATA_TYPE_BYTES: return mrb_str_new(mrb, (const char *)data->bytes, data->data_size);
    case MMDB_DATA_TYPE_DOUBLE: return mrb_float_value(mrb, data->double_value);
    case MMDB_DATA_TYPE_FLOAT: return mrb_float_value(mrb, data->float_value);
    case MMDB_DATA_TYPE_BOOLEAN: return mrb_bool_value(data->boolean);
    case MMDB_DATA_TYPE_UINT16: return mrb_int_value(mrb, data->uint16);
    case MMDB_DATA_TYPE_UINT32: return mrb_int_value(mrb, data->uint32);
    case MMDB_DATA_TYPE_INT32: return mrb_int_value(mrb, data->int32);
    case MMDB_DATA_TYPE_UINT64: return convert_large(mrb, 0, data->uint64);
    case MMDB_DATA_TYPE_UINT128: return convert_uint128(mrb, data);
    default: return mrb_nil_value();
    }
}

static mrb_value convert_all(mrb_state *mrb, void *reading)
{
    return convert(mrb, reading);
}

mrb_value record_take(mrb_state *mrb, MMDB_entry_data_list_s *list)
{
    struct reading reading = { .at = list };
    mrb_bool failed;

    mrb_value record = mrb_protect_error(mrb, convert_all, &reading, &failed);
    MMDB_free_entry_data_list(list);
    if (failed)
        mrb_exc_raise(mrb, record);
    return record;
}
