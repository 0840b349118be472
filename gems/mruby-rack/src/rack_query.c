#include <string.h>

#include <mruby.h>
#include <mruby/array.h>
#include <mruby/hash.h>
#include <mruby/string.h>

#include "percent_coding.h"
#include "query.h"
#include "rack.h"

#define PATH_KEPT ";/?:@&=+$,[]-_.!~*'()"

/* Undefined: it can't be decoded. */
static mrb_value decoded(mrb_state *mrb, const char *text, size_t length, bool decode)
{
    if (!decode || (memchr(text, '%', length) == NULL && memchr(text, '+', length) == NULL))
        return mrb_str_new(mrb, text, (mrb_int)length);
    mrb_value string = mrb_str_new(mrb, NULL, (mrb_int)length);
    size_t size = percent_decode(RSTRING_PTR(string), text, length, PERCENT_FORM);
    return size == PERCENT_BROKEN ? mrb_undef_value() : mrb_str_resize(mrb, string, (mrb_int)size);
}

/* (text, separators, limit, decode): [name, value, ...]; a String that could not be decoded; or, when there are more
   than `limit`, how many. */
static mrb_value query_pairs(mrb_state *mrb, mrb_value self)
{
    const char *text, *separators;
    mrb_int length, limit;
    mrb_bool decode;
    struct query_pair pair;

    (void)self;
    mrb_get_args(mrb, "szib", &text, &length, &separators, &limit, &decode);
    size_t count = query_count(text, (size_t)length, separators);
    if (limit >= 0 && count > (size_t)limit)
        return mrb_int_value(mrb, (mrb_int)count);

    mrb_value pairs = mrb_ary_new_capa(mrb, (mrb_int)count * 2);
    int arena = mrb_gc_arena_save(mrb);
    for (const char *at = text, *end = text + length; query_next(&at, end, separators, &pair);) {
        mrb_value name = decoded(mrb, pair.name, pair.name_length, decode);
        if (mrb_undef_p(name))
            return mrb_str_new(mrb, pair.name, (mrb_int)pair.name_length);
        mrb_value value = mrb_nil_value();
        if (pair.value != NULL)
            value = decoded(mrb, pair.value, pair.value_length, decode);
        if (mrb_undef_p(value))
            return mrb_str_new(mrb, pair.value, (mrb_int)pair.value_length);
        mrb_ary_push(mrb, pairs, name);
        mrb_ary_push(mrb, pairs, value);
        mrb_gc_arena_restore(mrb, arena);
    }
    return pairs;
}

/* Of a name that comes twice the first counts; a value that can't be decoded stays as it is. */
static mrb_value utils_parse_cookies_header(mrb_state *mrb, mrb_value self)
{
    mrb_value header, cookies = mrb_hash_new(mrb);
    struct query_pair pair;

    (void)self;
    mrb_get_args(mrb, "S!", &header);
    if (mrb_nil_p(header))
        return cookies;
    int arena = mrb_gc_arena_save(mrb);
    for (const char *at = RSTRING_PTR(header), *end = at + RSTRING_LEN(header); query_next(&at, end, ";", &pair);) {
        mrb_value name = mrb_str_new(mrb, pair.name, (mrb_int)pair.name_length);
        if (!mrb_hash_key_p(mrb, cookies, name)) {
            mrb_value value = mrb_nil_value();
            if (pair.value != NULL)
                value = decoded(mrb, pair.value, pair.value_length, true);
            if (mrb_undef_p(value))
                value = mrb_str_new(mrb, pair.value, (mrb_int)pair.value_length);
            mrb_hash_set(mrb, cookies, name, value);
        }
        mrb_gc_arena_restore(mrb, arena);
    }
    return cookies;
}

static mrb_value utils_escape_path(mrb_state *mrb, mrb_value self)
{
    const char *text;
    mrb_int length;

    (void)self;
    mrb_get_args(mrb, "s", &text, &length);
    if (length > MRB_INT_MAX / 3)
        mrb_raise(mrb, E_ARGUMENT_ERROR, "string too long");
    mrb_value escaped = mrb_str_new(mrb, NULL, length * 3);
    size_t size = percent_encode(RSTRING_PTR(escaped), text, (size_t)length, PATH_KEPT, false);
    return mrb_str_resize(mrb, escaped, (mrb_int)size);
}

static mrb_value utils_unescape_path(mrb_state *mrb, mrb_value self)
{
    const char *text;
    mrb_int length;

    (void)self;
    mrb_get_args(mrb, "s", &text, &length);
    mrb_value unescaped = mrb_str_new(mrb, NULL, length);
    size_t size = percent_decode(RSTRING_PTR(unescaped), text, (size_t)length, PERCENT_TOLERANT);
    return mrb_str_resize(mrb, unescaped, (mrb_int)size);
}

void rack_query_init(mrb_state *mrb, struct RClass *rack)
{
    struct RClass *parser = mrb_define_class_under(mrb, rack, "QueryParser", mrb->object_class);
    struct RClass *utils = mrb_define_module_under(mrb, rack, "Utils");

    mrb_define_class_method(mrb, parser, "_pairs", query_pairs, MRB_ARGS_REQ(4));
    mrb_define_module_function(mrb, utils, "parse_cookies_header", utils_parse_cookies_header, MRB_ARGS_REQ(1));
    mrb_define_module_function(mrb, utils, "escape_path", utils_escape_path, MRB_ARGS_REQ(1));
    mrb_define_module_function(mrb, utils, "unescape_path", utils_unescape_path, MRB_ARGS_REQ(1));
}
