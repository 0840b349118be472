/* JSON.generate and to_json: objects as text. */
#include <math.h>

#include <mruby.h>

#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/error.h>
#include <mruby/hash.h>
#include <mruby/proc.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include "json.h"
#include "json_buffer.h"

struct part {
    const char *bytes;
    mrb_int length;
};

struct generator {
    mrb_state *mrb;
    struct json_buffer buffer;
    struct part indent, space, space_before, object_nl, array_nl;
    mrb_int depth, depth_limit;
    mrb_bool ascii_only, script_safe, allow_nan, empty;
    mrb_value options; /* Hash or nil */
    mrb_value roots;   /* Array: the JSON::State for what has its own to_json, once there is one */
};

static void generate(struct generator *generator, mrb_value value);

static void put(struct generator *generator, struct part part)
{
    if (part.length > 0)
        json_buffer_put(&generator->buffer, part.bytes, part.length);
}

static void put_new_line(struct generator *generator, struct part new_line)
{
    put(generator, new_line);
    if (generator->indent.length > 0 && new_line.length > 0)
        for (mrb_int i = 0; i < generator->depth; i++)
            put(generator, generator->indent);
}

static void put_text(struct generator *generator, mrb_value string)
{
    json_buffer_put_string(&generator->buffer, RSTRING_PTR(string), RSTRING_LEN(string), generator->ascii_only,
                           generator->script_safe);
}

static void put_symbol(struct generator *generator, mrb_sym symbol)
{
    mrb_int length;
    const char *name = mrb_sym_name_len(generator->mrb, symbol, &length);
    json_buffer_put_string(&generator->buffer, name, length, generator->ascii_only, generator->script_safe);
}

static void go_deeper(struct generator *generator)
{
    if (++generator->depth > generator->depth_limit)
        json_too_deep(generator->mrb, generator->depth);
}

static void put_array(struct generator *generator, mrb_value array)
{
    go_deeper(generator);
    json_buffer_put_byte(&generator->buffer, '[');
    for (mrb_int i = 0; i < RARRAY_LEN(array); i++) {
        if (i > 0)
            json_buffer_put_byte(&generator->buffer, ',');
        put_new_line(generator, generator->array_nl);
        generate(generator, RARRAY_PTR(array)[i]);
    }
    generator->depth--;
    if (RARRAY_LEN(array) > 0)
        put_new_line(generator, generator->array_nl);
    json_buffer_put_byte(&generator->buffer, ']');
}

static int put_pair(mrb_state *mrb, mrb_value key, mrb_value value, void *data)
{
    struct generator *generator = data;
    if (!generator->empty)
        json_buffer_put_byte(&generator->buffer, ',');
    put_new_line(generator, generator->object_nl);
    if (mrb_symbol_p(key)) {
        put_symbol(generator, mrb_symbol(key));
    } else {
        int arena = mrb_gc_arena_save(mrb);
        put_text(generator, mrb_obj_as_string(mrb, key));
        mrb_gc_arena_restore(mrb, arena);
    }
    put(generator, generator->space_before);
    json_buffer_put_byte(&generator->buffer, ':');
    put(generator, generator->space);
    generate(generator, value);
    generator->empty = FALSE;
    return 0;
}

static void put_hash(struct generator *generator, mrb_value hash)
{
    go_deeper(generator);
    json_buffer_put_byte(&generator->buffer, '{');
    generator->empty = TRUE;
    mrb_hash_foreach(generator->mrb, mrb_hash_ptr(hash), put_pair, generator);
    generator->depth--;
    if (!mrb_hash_empty_p(generator->mrb, hash))
        put_new_line(generator, generator->object_nl);
    json_buffer_put_byte(&generator->buffer, '}');
}

static void put_float(struct generator *generator, double number)
{
    if (isfinite(number)) {
        json_buffer_put_float(&generator->buffer, number);
        return;
    }
    const char *name = isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity";
    if (!generator->allow_nan)
        mrb_raisef(generator->mrb, json_error(generator->mrb, "GeneratorError"), "%s not allowed in JSON", name);
    json_buffer_put(&generator->buffer, name, (mrb_int)strlen(name));
}

/* What to_json of ours writes for an object. */
static void put_natively(struct generator *generator, mrb_value value)
{
    mrb_state *mrb = generator->mrb;
    switch (mrb_type(value)) {
    case MRB_TT_FALSE:
        if (mrb_nil_p(value))
            json_buffer_put(&generator->buffer, "null", 4);
        else
            json_buffer_put(&generator->buffer, "false", 5);
        break;
    case MRB_TT_TRUE: json_buffer_put(&generator->buffer, "true", 4); break;
    case MRB_TT_INTEGER: json_buffer_put_integer(&generator->buffer, mrb_integer(value)); break;
    case MRB_TT_FLOAT: put_float(generator, mrb_float(value)); break;
    case MRB_TT_SYMBOL: put_symbol(generator, mrb_symbol(value)); break;
    case MRB_TT_STRING: put_text(generator, value); break;
    case MRB_TT_ARRAY: put_array(generator, value); break;
    case MRB_TT_HASH: put_hash(generator, value); break;
    case MRB_TT_BIGINT: {
        mrb_value digits = mrb_obj_as_string(mrb, value);
        json_buffer_put(&generator->buffer, RSTRING_PTR(digits), RSTRING_LEN(digits));
        break;
    }
    default: put_text(generator, mrb_obj_as_string(mrb, value));
    }
}

static mrb_bool has_own_to_json(mrb_state *mrb, mrb_value value)
{
    struct RClass *class = mrb_class(mrb, value);
    if (class == mrb->string_class || class == mrb->array_class || class == mrb->hash_class)
        return FALSE;
    mrb_method_t method = mrb_method_search_vm(mrb, &class, mrb_intern_lit(mrb, "to_json"));
    return !MRB_METHOD_UNDEF_P(method) && !(MRB_METHOD_CFUNC_P(method) && MRB_METHOD_CFUNC(method) == json_to_json);
}

static void call_to_json(struct generator *generator, mrb_value value)
{
    mrb_state *mrb = generator->mrb;
    if (RARRAY_LEN(generator->roots) == 0) {
        struct RClass *class = mrb_class_get_under(mrb, mrb_module_get(mrb, "JSON"), "State");
        mrb_ary_push(mrb, generator->roots, mrb_obj_new(mrb, class, 1, &generator->options));
    }
    mrb_value state = RARRAY_PTR(generator->roots)[0];
    mrb_iv_set(mrb, state, mrb_intern_lit(mrb, "@depth"), mrb_int_value(mrb, generator->depth));
    mrb_value text = mrb_funcall_argv(mrb, value, mrb_intern_lit(mrb, "to_json"), 1, &state);
    if (!mrb_string_p(text))
        mrb_raisef(mrb, E_TYPE_ERROR, "wrong argument type %T (expected String)", text);
    json_buffer_put(&generator->buffer, RSTRING_PTR(text), RSTRING_LEN(text));
}

static void generate(struct generator *generator, mrb_value value)
{
    switch (mrb_type(value)) {
    case MRB_TT_FALSE:
    case MRB_TT_TRUE:
    case MRB_TT_INTEGER:
    case MRB_TT_FLOAT: put_natively(generator, value); return;
    default: break;
    }
    int arena = mrb_gc_arena_save(generator->mrb);
    if (has_own_to_json(generator->mrb, value))
        call_to_json(generator, value);
    else
        put_natively(generator, value);
    mrb_gc_arena_restore(generator->mrb, arena);
}

static mrb_value option(mrb_state *mrb, mrb_value options, mrb_sym name)
{
    return mrb_hash_fetch(mrb, options, mrb_symbol_value(name), mrb_undef_value());
}

static mrb_bool flag(mrb_state *mrb, mrb_value options, mrb_sym name)
{
    mrb_value value = option(mrb, options, name);
    return !mrb_undef_p(value) && mrb_test(value);
}

/* A copy, in the arena: a to_json that is called may change the option's own. */
static struct part part_option(mrb_state *mrb, mrb_value options, mrb_sym name)
{
    mrb_value value = option(mrb, options, name);
    if (mrb_undef_p(value) || mrb_nil_p(value))
        return (struct part){ 0 };
    mrb_ensure_string_type(mrb, value);
    value = mrb_str_new(mrb, RSTRING_PTR(value), RSTRING_LEN(value));
    return (struct part){ .bytes = RSTRING_PTR(value), .length = RSTRING_LEN(value) };
}

static void take_options(struct generator *generator, mrb_value options)
{
    mrb_state *mrb = generator->mrb;
    mrb_value max_nesting = option(mrb, options, mrb_intern_lit(mrb, "max_nesting"));

    generator->options = options;
    generator->depth_limit = json_depth_limit(mrb, max_nesting, !mrb_undef_p(max_nesting));
    generator->indent = part_option(mrb, options, mrb_intern_lit(mrb, "indent"));
    generator->space = part_option(mrb, options, mrb_intern_lit(mrb, "space"));
    generator->space_before = part_option(mrb, options, mrb_intern_lit(mrb, "space_before"));
    generator->object_nl = part_option(mrb, options, mrb_intern_lit(mrb, "object_nl"));
    generator->array_nl = part_option(mrb, options, mrb_intern_lit(mrb, "array_nl"));
    generator->ascii_only = flag(mrb, options, mrb_intern_lit(mrb, "ascii_only"));
    generator->script_safe = flag(mrb, options, mrb_intern_lit(mrb, "script_safe")) ||
                             flag(mrb, options, mrb_intern_lit(mrb, "escape_slash"));
    generator->allow_nan = flag(mrb, options, mrb_intern_lit(mrb, "allow_nan"));
}

/* `options` is nil, a Hash or a JSON::State; `natively`: a to_json of its own is not called, being who
   asks. */
static mrb_value generate_with(mrb_state *mrb, mrb_value value, mrb_value options, mrb_bool natively)
{
    struct generator generator = {
        .mrb = mrb,
        .depth_limit = JSON_DEPTH_DEFAULT,
        .options = mrb_nil_value(),
        .roots = mrb_ary_new_capa(mrb, 1),
    };
    struct RClass *state = mrb_class_get_under(mrb, mrb_module_get(mrb, "JSON"), "State");

    if (mrb_obj_is_kind_of(mrb, options, state)) {
        mrb_ary_push(mrb, generator.roots, options);
        mrb_value depth = mrb_iv_get(mrb, options, mrb_intern_lit(mrb, "@depth"));
        generator.depth = mrb_integer_p(depth) ? mrb_integer(depth) : 0;
        options = mrb_iv_get(mrb, options, mrb_intern_lit(mrb, "@options"));
    }
    if (mrb_hash_p(options))
        take_options(&generator, options);
    else if (!mrb_nil_p(options))
        mrb_raisef(mrb, E_TYPE_ERROR, "can't convert %T into Hash", options);
    json_buffer_init(&generator.buffer, mrb);
    if (natively)
        put_natively(&generator, value);
    else
        generate(&generator, value);
    return json_buffer_finish(&generator.buffer);
}

mrb_value json_generate(mrb_state *mrb, mrb_value self)
{
    mrb_value value, options = mrb_nil_value();

    (void)self;
    mrb_get_args(mrb, "o|o", &value, &options);
    return generate_with(mrb, value, options, FALSE);
}

/* Other libraries give theirs arguments, too: the first counts. */
mrb_value json_to_json(mrb_state *mrb, mrb_value self)
{
    const mrb_value *arguments;
    mrb_int count;

    mrb_get_args(mrb, "*", &arguments, &count);
    return generate_with(mrb, self, count > 0 ? arguments[0] : mrb_nil_value(), TRUE);
}
