/* JSON.parse: jansson's tree as Ruby's objects. */
#include <string.h>

#include <mruby.h>

#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/data.h>
#include <mruby/error.h>
#include <mruby/hash.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include "document.h"
#include "json.h"

#define SIZE_MAX_DEFAULT ((mrb_int)16 << 20)
#define TREE_PER_BYTE 32 /* bytes of tree that a byte of the largest source may take */
#define KEYS 128         /* that are remembered, so that equal ones are one object; a power of two */
#define KEY_LENGTH_MAX 48

struct parsing {
    struct document document;
    const char *text;
    mrb_value keys; /* Array of KEYS */
    mrb_int depth_limit;
    mrb_bool symbols, freeze;
};

static void free_parsing(mrb_state *mrb, void *data)
{
    if (data != NULL)
        document_free(&((struct parsing *)data)->document);
    mrb_free(mrb, data);
}

static const struct mrb_data_type parsing_type = { "JSON parsing", free_parsing };

static mrb_value option(mrb_state *mrb, mrb_value options, mrb_sym name, mrb_bool *given)
{
    mrb_value value = mrb_undef_value();
    if (mrb_hash_p(options))
        value = mrb_hash_fetch(mrb, options, mrb_symbol_value(name), mrb_undef_value());
    *given = !mrb_undef_p(value);
    return *given ? value : mrb_nil_value();
}

static mrb_bool flag(mrb_state *mrb, mrb_value options, mrb_sym name)
{
    mrb_bool given;
    return mrb_test(option(mrb, options, name, &given));
}

/* What jansson has no place for is refused, and not silently ignored. */
static void refuse_options(mrb_state *mrb, mrb_value options)
{
    const mrb_sym refused[] = {
        mrb_intern_lit(mrb, "allow_nan"),     mrb_intern_lit(mrb, "create_additions"),
        mrb_intern_lit(mrb, "object_class"),  mrb_intern_lit(mrb, "array_class"),
        mrb_intern_lit(mrb, "decimal_class"),
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (flag(mrb, options, refused[i]))
            mrb_raisef(mrb, E_ARGUMENT_ERROR, "JSON.parse does not support %n", refused[i]);
}

static mrb_value convert(mrb_state *mrb, struct parsing *parsing, json_t *value, mrb_int depth);

static mrb_value frozen_if_asked(mrb_state *mrb, const struct parsing *parsing, mrb_value value)
{
    return parsing->freeze ? mrb_obj_freeze(mrb, value) : value;
}

static mrb_value new_key(mrb_state *mrb, struct parsing *parsing, const char *bytes, size_t length)
{
    if (parsing->symbols)
        return mrb_symbol_value(mrb_intern(mrb, bytes, length));
    if (length == 0 || length > KEY_LENGTH_MAX)
        return mrb_obj_freeze(mrb, mrb_str_new(mrb, bytes, (mrb_int)length));

    size_t hash = length * 31 + (unsigned char)bytes[0] * 7 + (unsigned char)bytes[length / 2] * 13 +
                  (unsigned char)bytes[length - 1];
    mrb_int place = (mrb_int)(hash % KEYS);
    mrb_value known = RARRAY_PTR(parsing->keys)[place];
    if (mrb_string_p(known) && (size_t)RSTRING_LEN(known) == length && memcmp(RSTRING_PTR(known), bytes, length) == 0)
        return known;
    mrb_value key = mrb_obj_freeze(mrb, mrb_str_new(mrb, bytes, (mrb_int)length));
    mrb_ary_set(mrb, parsing->keys, place, key);
    return key;
}

static mrb_value convert_object(mrb_state *mrb, struct parsing *parsing, json_t *object, mrb_int depth)
{
    mrb_value hash = mrb_hash_new_capa(mrb, (mrb_int)json_object_size(object));
    int arena = mrb_gc_arena_save(mrb);
    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
        mrb_value key = new_key(mrb, parsing, json_object_iter_key(at), json_object_iter_key_len(at));
        mrb_hash_set(mrb, hash, key, convert(mrb, parsing, json_object_iter_value(at), depth));
        mrb_gc_arena_restore(mrb, arena);
    }
    return frozen_if_asked(mrb, parsing, hash);
}

static mrb_value convert_array(mrb_state *mrb, struct parsing *parsing, json_t *array, mrb_int depth)
{
    size_t size = json_array_size(array);
    mrb_value result = mrb_ary_new_capa(mrb, (mrb_int)size);
    int arena = mrb_gc_arena_save(mrb);
    for (size_t i = 0; i < size; i++) {
        mrb_ary_push(mrb, result, convert(mrb, parsing, json_array_get(array, i), depth));
        mrb_gc_arena_restore(mrb, arena);
    }
    return frozen_if_asked(mrb, parsing, result);
}

static mrb_value convert_integer(mrb_state *mrb, const struct parsing *parsing, json_int_t number)
{
    const struct document *document = &parsing->document;
    if (document->big == NULL || number < DOCUMENT_BIG_FIRST)
        return mrb_int_value(mrb, (mrb_int)number);
    const struct document_big *big = &document->big[number - DOCUMENT_BIG_FIRST];
    mrb_value digits = mrb_str_new(mrb, parsing->text + big->offset, (mrb_int)big->length);
    return mrb_str_to_integer(mrb, digits, 10, FALSE); /* which are digits */
}

static mrb_value convert(mrb_state *mrb, struct parsing *parsing, json_t *value, mrb_int depth)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        if (++depth > parsing->depth_limit)
            json_too_deep(mrb, depth);
        return json_is_object(value) ? convert_object(mrb, parsing, value, depth)
                                     : convert_array(mrb, parsing, value, depth);
    case JSON_STRING: {
        mrb_value text = mrb_str_new(mrb, json_string_value(value), (mrb_int)json_string_length(value));
        return frozen_if_asked(mrb, parsing, text);
    }
    case JSON_INTEGER: return convert_integer(mrb, parsing, json_integer_value(value));
    case JSON_REAL: return mrb_float_value(mrb, json_real_value(value));
    case JSON_TRUE: return mrb_true_value();
    case JSON_FALSE: return mrb_false_value();
    case JSON_NULL: break;
    }
    return mrb_nil_value();
}

static _Noreturn void raise_error(mrb_state *mrb, const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_stack_overflow: json_too_deep(mrb, JSON_DEPTH_MAX + 1);
    case json_error_out_of_memory:
        mrb_raise(mrb, json_error(mrb, "ParserError"), "source takes too much memory (max_size)");
    default: break;
    }
    mrb_value text =
        mrb_format(mrb, "%s at line %i column %i", error->text, (mrb_int)error->line, (mrb_int)error->column);
    mrb_value exception = mrb_exc_new_str(mrb, json_error(mrb, "ParserError"), text);
    mrb_iv_set(mrb, exception, mrb_intern_lit(mrb, "@line"), mrb_fixnum_value(error->line));
    mrb_iv_set(mrb, exception, mrb_intern_lit(mrb, "@column"), mrb_fixnum_value(error->column));
    mrb_exc_raise(mrb, exception);
}

static mrb_value source_text(mrb_state *mrb, mrb_value source)
{
    if (!mrb_string_p(source) && mrb_respond_to(mrb, source, mrb_intern_lit(mrb, "to_str")))
        source = mrb_funcall_argv(mrb, source, mrb_intern_lit(mrb, "to_str"), 0, NULL);
    if (!mrb_string_p(source)) {
        mrb_value name = mrb_nil_p(source) ? mrb_str_new_lit(mrb, "nil")
                         : mrb_type(source) == MRB_TT_TRUE || mrb_type(source) == MRB_TT_FALSE
                             ? mrb_inspect(mrb, source)
                             : mrb_str_new_cstr(mrb, mrb_obj_classname(mrb, source));
        mrb_raisef(mrb, E_TYPE_ERROR, "no implicit conversion of %v into String", name);
    }
    return source;
}

mrb_value json_parse(mrb_state *mrb, mrb_value self)
{
    mrb_value source, options = mrb_nil_value();
    mrb_bool given;

    mrb_get_args(mrb, "o|H!", &source, &options);
    source = source_text(mrb, source);
    mrb_int size_limit = SIZE_MAX_DEFAULT;
    mrb_value max_size = option(mrb, options, mrb_intern_lit(mrb, "max_size"), &given);
    if (given)
        size_limit = mrb_test(max_size) ? mrb_as_int(mrb, max_size) : 0;
    if (size_limit > 0 && RSTRING_LEN(source) > size_limit)
        mrb_raisef(mrb, json_error(mrb, "ParserError"), "source of %i bytes is larger than max_size, %i",
                   RSTRING_LEN(source), size_limit);
    refuse_options(mrb, options);

    struct RData *holder = mrb_data_object_alloc(mrb, mrb->object_class, NULL, &parsing_type);
    struct parsing *parsing = mrb_calloc(mrb, 1, sizeof *parsing);
    holder->data = parsing;
    mrb_value max_nesting = option(mrb, options, mrb_intern_lit(mrb, "max_nesting"), &given);
    parsing->depth_limit = json_depth_limit(mrb, max_nesting, given);
    parsing->symbols = flag(mrb, options, mrb_intern_lit(mrb, "symbolize_names"));
    parsing->freeze = flag(mrb, options, mrb_intern_lit(mrb, "freeze"));
    parsing->keys = mrb_ary_new_capa(mrb, KEYS);
    mrb_ary_resize(mrb, parsing->keys, KEYS);
    parsing->text = RSTRING_PTR(source);

    size_t memory = size_limit > 0 ? (size_t)size_limit * TREE_PER_BYTE + ((size_t)1 << 20) : 0;
    if (!document_parse(&parsing->document, parsing->text, (size_t)RSTRING_LEN(source), memory)) {
        json_error_t error = parsing->document.error;
        document_free(&parsing->document);
        raise_error(mrb, &error);
    }
    mrb_value result = convert(mrb, parsing, parsing->document.root, 0);
    holder->data = NULL;
    free_parsing(mrb, parsing);
    (void)self;
    return result;
}
