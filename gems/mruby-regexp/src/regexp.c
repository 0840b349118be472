/*
 * class Regexp.
 */
#include <mruby.h>
#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include "regexp.h"

#define NESTING_MAX 512 /* of a pattern; Oniguruma recurses */

static mrb_value m_initialize(mrb_state *mrb, mrb_value self)
{
    mrb_value source, flags = mrb_nil_value(), encoding = mrb_nil_value(), timeout = mrb_undef_value();
    const mrb_sym keywords[1] = { mrb_intern_lit(mrb, "timeout") };
    const mrb_kwargs kwargs = { 1, 0, keywords, &timeout, NULL };

    mrb_get_args(mrb, "o|oo:", &source, &flags, &encoding, &kwargs);
    if (DATA_PTR(self) != NULL)
        mrb_raise(mrb, E_TYPE_ERROR, "already initialized regexp");
    uint32_t options = regexp_options(mrb, flags);
    if (mrb_string_p(encoding))
        options |= regexp_options(mrb, encoding);
    struct regexp *other = regexp_of(mrb, source);
    if (other != NULL) {
        options = other->options;
        source = other->source;
    }
    double seconds = mrb_undef_p(timeout) ? -1 : regexp_timeout(mrb, timeout);
    regexp_compile(mrb, self, mrb_ensure_string_type(mrb, source), options);
    if (seconds > 0)
        ((struct regexp *)DATA_PTR(self))->timeout = seconds;
    return self;
}

/* What a literal calls, with its flags as Strings. */
static mrb_value m_compile(mrb_state *mrb, mrb_value self)
{
    const mrb_value *args;
    mrb_int count;

    mrb_get_args(mrb, "*!", &args, &count);
    struct RClass *class = mrb_class_ptr(self);
    mrb_bool plain = count >= 1 && count <= 3 && mrb_string_p(args[0]) && class == regexp_class(mrb);
    for (mrb_int i = 1; plain && i < count; i++)
        plain = mrb_nil_p(args[i]) || mrb_string_p(args[i]) || mrb_integer_p(args[i]);
    if (!plain)
        return mrb_funcall_argv(mrb, self, mrb_intern_lit(mrb, "new"), count, args);
    uint32_t options = count > 1 ? regexp_options(mrb, args[1]) : 0;
    if (count > 2 && mrb_string_p(args[2]))
        options |= regexp_options(mrb, args[2]);
    return regexp_cached(mrb, class, args[0], options);
}

static mrb_value m_escape(mrb_state *mrb, mrb_value self)
{
    mrb_value text;
    (void)self;
    mrb_get_args(mrb, "o", &text);
    if (mrb_symbol_p(text))
        text = mrb_sym_str(mrb, mrb_symbol(text));
    text = mrb_ensure_string_type(mrb, text);
    return regexp_escape(mrb, RSTRING_PTR(text), RSTRING_LEN(text));
}

static mrb_value m_default_timeout(mrb_state *mrb, mrb_value self)
{
    double seconds = regexp_globals_of(mrb)->timeout;
    (void)self;
    return seconds > 0 ? mrb_float_value(mrb, seconds) : mrb_nil_value();
}

static mrb_value m_set_default_timeout(mrb_state *mrb, mrb_value self)
{
    mrb_value value;
    (void)self;
    mrb_get_args(mrb, "o", &value);
    regexp_globals_of(mrb)->timeout = regexp_timeout(mrb, value);
    return value;
}

static mrb_value m_timeout(mrb_state *mrb, mrb_value self)
{
    double seconds = regexp_get(mrb, self)->timeout;
    return seconds > 0 ? mrb_float_value(mrb, seconds) : mrb_nil_value();
}

static mrb_value m_source(mrb_state *mrb, mrb_value self)
{
    return regexp_get(mrb, self)->source;
}

static mrb_value m_options(mrb_state *mrb, mrb_value self)
{
    return mrb_int_value(mrb, regexp_get(mrb, self)->options);
}

static void append_flags(mrb_state *mrb, mrb_value to, uint32_t options)
{
    if (options & REGEXP_MULTILINE)
        mrb_str_cat_lit(mrb, to, "m");
    if (options & REGEXP_IGNORECASE)
        mrb_str_cat_lit(mrb, to, "i");
    if (options & REGEXP_EXTENDED)
        mrb_str_cat_lit(mrb, to, "x");
}

static mrb_value m_to_s(mrb_state *mrb, mrb_value self)
{
    struct regexp *regexp = regexp_get(mrb, self);
    mrb_value text = mrb_str_new_lit(mrb, "(?");
    append_flags(mrb, text, regexp->options);
    if ((regexp->options & 7) != 7) {
        mrb_str_cat_lit(mrb, text, "-");
        append_flags(mrb, text, ~regexp->options);
    }
    mrb_str_cat_lit(mrb, text, ":");
    regexp_append_source(mrb, text, regexp);
    mrb_str_cat_lit(mrb, text, ")");
    return text;
}

static mrb_value m_inspect(mrb_state *mrb, mrb_value self)
{
    const struct regexp *regexp = regexp_of(mrb, self);
    if (regexp == NULL)
        return mrb_any_to_s(mrb, self);
    mrb_value text = mrb_str_new_lit(mrb, "/");
    regexp_append_source(mrb, text, regexp);
    mrb_str_cat_lit(mrb, text, "/");
    append_flags(mrb, text, regexp->options);
    if (regexp->options & REGEXP_NOENCODING)
        mrb_str_cat_lit(mrb, text, "n");
    return text;
}

static mrb_value m_equal(mrb_state *mrb, mrb_value self)
{
    mrb_value other;
    mrb_get_args(mrb, "o", &other);
    const struct regexp *a = regexp_get(mrb, self), *b = regexp_of(mrb, other);
    return mrb_bool_value(b != NULL && a->options == b->options && mrb_str_equal(mrb, a->source, b->source));
}

static mrb_value m_hash(mrb_state *mrb, mrb_value self)
{
    return mrb_int_value(mrb, regexp_get(mrb, self)->hash);
}

static mrb_value m_name_groups(mrb_state *mrb, mrb_value self)
{
    return regexp_name_groups(mrb, regexp_get(mrb, self));
}

static mrb_value m_initialize_copy(mrb_state *mrb, mrb_value self)
{
    mrb_value other;
    mrb_get_args(mrb, "o", &other);
    struct regexp *regexp = regexp_get(mrb, other);
    if (DATA_PTR(self) == NULL) {
        regexp_compile(mrb, self, regexp->source, regexp->options);
        ((struct regexp *)DATA_PTR(self))->timeout = regexp->timeout;
    }
    return self;
}

/* The String or Symbol to match; nil stays nil. */
static mrb_value subject(mrb_state *mrb, mrb_value value)
{
    if (mrb_symbol_p(value))
        return mrb_sym_str(mrb, mrb_symbol(value));
    return mrb_nil_p(value) ? value : mrb_ensure_string_type(mrb, value);
}

static mrb_value match_from(mrb_state *mrb, mrb_value self, mrb_value string, mrb_int position)
{
    struct search search;
    struct regexp *regexp = regexp_get(mrb, self);
    if (position < 0)
        position += utf8_chars(string, RSTRING_LEN(string));
    mrb_int from = position < 0 ? -1 : utf8_offset(string, position);
    search_begin(mrb, &search, regexp, string);
    mrb_value match = from >= 0 && search_forward(mrb, &search, from)
                          ? match_new(mrb, self, string, &regexp->globals->region)
                          : mrb_nil_value();
    last_match_set(mrb, match);
    return match;
}

static mrb_value m_match(mrb_state *mrb, mrb_value self)
{
    mrb_value string, block = mrb_nil_value();
    mrb_int position = 0;
    mrb_get_args(mrb, "o|i&", &string, &position, &block);
    string = subject(mrb, string);
    if (mrb_nil_p(string)) {
        last_match_set(mrb, string);
        return string;
    }
    mrb_value match = match_from(mrb, self, string, position);
    return mrb_nil_p(match) || mrb_nil_p(block) ? match : mrb_yield(mrb, block, match);
}

static mrb_value m_match_p(mrb_state *mrb, mrb_value self)
{
    mrb_value string;
    mrb_int position = 0;
    struct search search;
    mrb_get_args(mrb, "o|i", &string, &position);
    string = subject(mrb, string);
    if (mrb_nil_p(string))
        return mrb_false_value();
    if (position < 0)
        position += utf8_chars(string, RSTRING_LEN(string));
    mrb_int from = position < 0 ? -1 : utf8_offset(string, position);
    search_begin(mrb, &search, regexp_get(mrb, self), string);
    return mrb_bool_value(from >= 0 && search_forward(mrb, &search, from));
}

static mrb_value m_match_index(mrb_state *mrb, mrb_value self)
{
    mrb_value string;
    mrb_get_args(mrb, "o", &string);
    string = subject(mrb, string);
    if (mrb_nil_p(string)) {
        last_match_set(mrb, string);
        return string;
    }
    mrb_value match = match_from(mrb, self, string, 0);
    if (mrb_nil_p(match))
        return match;
    return mrb_int_value(mrb, utf8_chars(string, match_get(mrb, match)->spans[0].from));
}

static mrb_value m_case_equal(mrb_state *mrb, mrb_value self)
{
    mrb_value string;
    mrb_get_args(mrb, "o", &string);
    if (mrb_symbol_p(string))
        string = mrb_sym_str(mrb, mrb_symbol(string));
    if (!mrb_string_p(string)) {
        last_match_set(mrb, mrb_nil_value());
        return mrb_false_value();
    }
    return mrb_bool_value(!mrb_nil_p(match_from(mrb, self, string, 0)));
}

void mrb_mruby_regexp_gem_init(mrb_state *mrb);
void mrb_mruby_regexp_gem_final(mrb_state *mrb);

void mrb_mruby_regexp_gem_init(mrb_state *mrb)
{
    OnigEncoding encodings[] = { ONIG_ENCODING_UTF8, ONIG_ENCODING_ASCII };
    onig_initialize(encodings, 2);
    onig_set_parse_depth_limit(NESTING_MAX);
    search_init();

    struct RClass *class = mrb_define_class(mrb, "Regexp", mrb->object_class);
    MRB_SET_INSTANCE_TT(class, MRB_TT_CDATA);
    mrb_define_class_under(mrb, class, "TimeoutError", E_REGEXP_ERROR);
    mrb_define_const(mrb, class, "IGNORECASE", mrb_fixnum_value(REGEXP_IGNORECASE));
    mrb_define_const(mrb, class, "EXTENDED", mrb_fixnum_value(REGEXP_EXTENDED));
    mrb_define_const(mrb, class, "MULTILINE", mrb_fixnum_value(REGEXP_MULTILINE));
    mrb_define_const(mrb, class, "FIXEDENCODING", mrb_fixnum_value(REGEXP_FIXEDENCODING));
    mrb_define_const(mrb, class, "NOENCODING", mrb_fixnum_value(REGEXP_NOENCODING));
    regexp_globals_make(mrb, class);

    mrb_define_class_method(mrb, class, "compile", m_compile, MRB_ARGS_ARG(1, 2));
    mrb_define_class_method(mrb, class, "escape", m_escape, MRB_ARGS_REQ(1));
    mrb_define_class_method(mrb, class, "quote", m_escape, MRB_ARGS_REQ(1));
    mrb_define_class_method(mrb, class, "timeout", m_default_timeout, MRB_ARGS_NONE());
    mrb_define_class_method(mrb, class, "timeout=", m_set_default_timeout, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "initialize", m_initialize, MRB_ARGS_ARG(1, 2) | MRB_ARGS_KEY(1, 0));
    mrb_define_method(mrb, class, "initialize_copy", m_initialize_copy, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "source", m_source, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "options", m_options, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "timeout", m_timeout, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "to_s", m_to_s, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "inspect", m_inspect, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "==", m_equal, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "eql?", m_equal, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "hash", m_hash, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "match", m_match, MRB_ARGS_ARG(1, 1) | MRB_ARGS_BLOCK());
    mrb_define_method(mrb, class, "match?", m_match_p, MRB_ARGS_ARG(1, 1));
    mrb_define_method(mrb, class, "=~", m_match_index, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "===", m_case_equal, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "__name_groups", m_name_groups, MRB_ARGS_NONE());
    match_data_init(mrb, class);
    string_search_init(mrb);
    string_replace_init(mrb);
    string_sets_init(mrb);
}

void mrb_mruby_regexp_gem_final(mrb_state *mrb)
{
    (void)mrb;
}
