/*
 * class Regexp. Literals call Regexp.compile each time that they are evaluated: a table by source and options gives
 * them the same object again.
 */
#include <limits.h>
#include <string.h>

#include <mruby.h>
#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/hash.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include "regexp.h"

#define TIMEOUT_DEFAULT 1.0
#define STACK_ENTRIES_MAX 2000000 /* what a match may remember to come back to: 80 MB or so */
#define NESTING_MAX 512           /* of a pattern; Oniguruma recurses */
#define CACHE_MIN 64              /* entries; powers of two */
#define CACHE_MAX 1024
#define CACHE_PROBES 4

static void free_regexp(mrb_state *mrb, void *pointer)
{
    struct regexp *regexp = (struct regexp *)pointer;
    if (regexp == NULL)
        return;
    if (regexp->compiled != NULL)
        onig_free(regexp->compiled);
    if (regexp->ticking != NULL)
        onig_free(regexp->ticking);
    mrb_free(mrb, regexp);
}

static void free_globals(mrb_state *mrb, void *pointer)
{
    struct regexp_globals *globals = (struct regexp_globals *)pointer;
    onig_region_free(&globals->region, 0);
    onig_free_match_param(globals->limits);
    mrb_free(mrb, globals);
}

const mrb_data_type regexp_type = { "Regexp", free_regexp };
static const mrb_data_type globals_type = { "Regexp globals", free_globals };

static struct RClass *regexp_class(mrb_state *mrb)
{
    return mrb_class_get_id(mrb, mrb_intern_lit(mrb, "Regexp"));
}

static struct regexp_globals *globals_of(mrb_state *mrb)
{
    mrb_value holder = mrb_iv_get(mrb, mrb_obj_value(regexp_class(mrb)), mrb_intern_lit(mrb, "__globals"));
    return (struct regexp_globals *)DATA_PTR(holder);
}

struct regexp *regexp_of(mrb_state *mrb, mrb_value value)
{
    struct regexp *regexp = (struct regexp *)mrb_data_check_get_ptr(mrb, value, &regexp_type);
    return regexp != NULL && regexp->compiled != NULL ? regexp : NULL;
}

struct regexp *regexp_get(mrb_state *mrb, mrb_value value)
{
    struct regexp *regexp = (struct regexp *)mrb_data_check_get_ptr(mrb, value, &regexp_type);
    if (regexp == NULL || regexp->compiled == NULL)
        mrb_raise(mrb, E_TYPE_ERROR, "uninitialized Regexp");
    return regexp;
}

/* --- Compiling --- */

static uint32_t hash_of(const char *text, mrb_int length, uint32_t options)
{
    uint32_t hash = 2166136261u ^ options;
    for (mrb_int i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * 16777619u;
    return hash;
}

static void fail_to_compile(mrb_state *mrb, int error, OnigErrorInfo *info, mrb_value source)
{
    OnigUChar text[ONIG_MAX_ERROR_MESSAGE_LEN];
    int length = onig_error_code_to_str(text, error, info);
    if (error == ONIGERR_MEMORY)
        mrb_exc_raise(mrb, mrb_obj_value(mrb->nomem_err));
    mrb_raisef(mrb, E_REGEXP_ERROR, "%l: /%v/", (const char *)text, (size_t)length, source);
}

static void compile(mrb_state *mrb, mrb_value self, mrb_value source, uint32_t options)
{
    const char *text = RSTRING_PTR(source);
    mrb_int length = RSTRING_LEN(source);
    mrb_bool bytes = (options & REGEXP_NOENCODING) != 0, ascii = TRUE;
    OnigErrorInfo info = { 0 };

    if (length > INT_MAX)
        mrb_raise(mrb, E_REGEXP_ERROR, "too big pattern");
    if (!bytes && !utf8_valid(text, length, &ascii))
        mrb_raisef(mrb, E_REGEXP_ERROR, "invalid multibyte character: /%v/", mrb_inspect(mrb, source));
    if (!ascii)
        options |= REGEXP_FIXEDENCODING;

    struct regexp *regexp = (struct regexp *)mrb_calloc(mrb, 1, sizeof *regexp);
    mrb_data_init(self, regexp, &regexp_type);
    regexp->source = mrb_obj_freeze(mrb, mrb_str_new(mrb, text, length));
    mrb_iv_set(mrb, self, mrb_intern_lit(mrb, "__source"), regexp->source);
    regexp->globals = globals_of(mrb);
    regexp->options = options;
    regexp->hash = hash_of(text, length, options);
    regexp->timeout = -1;
    mrb_value translated = regexp_translate(mrb, text, length, options, &regexp->has_repeat);
    const OnigUChar *pattern = (const OnigUChar *)RSTRING_PTR(translated);
    int error = onig_new(&regexp->compiled, pattern, pattern + RSTRING_LEN(translated), options & 7,
                         bytes ? ONIG_ENCODING_ASCII : ONIG_ENCODING_UTF8, ONIG_SYNTAX_RUBY, &info);
    if (error != ONIG_NORMAL) {
        regexp->compiled = NULL;
        fail_to_compile(mrb, error, &info, regexp->source);
    }
    MRB_SET_FROZEN_FLAG(mrb_basic_ptr(self));
}

static uint32_t options_of(mrb_state *mrb, mrb_value value)
{
    uint32_t options = 0;
    if (mrb_integer_p(value))
        return (uint32_t)mrb_integer(value) & (7 | REGEXP_FIXEDENCODING | REGEXP_NOENCODING);
    if (!mrb_string_p(value))
        return mrb_test(value) ? REGEXP_IGNORECASE : 0;
    for (mrb_int i = 0; i < RSTRING_LEN(value); i++) {
        switch (RSTRING_PTR(value)[i]) {
        case 'i': options |= REGEXP_IGNORECASE; break;
        case 'x': options |= REGEXP_EXTENDED; break;
        case 'm': options |= REGEXP_MULTILINE; break;
        case 'u': options |= REGEXP_FIXEDENCODING; break;
        case 'n': options |= REGEXP_NOENCODING; break;
        default: mrb_raisef(mrb, E_ARGUMENT_ERROR, "unknown regexp option: %v", value);
        }
    }
    return options;
}

/* Seconds; 0 stands for none. */
static double timeout_of(mrb_state *mrb, mrb_value value)
{
    if (mrb_nil_p(value))
        return 0;
    double seconds = mrb_as_float(mrb, value);
    if (!(seconds > 0))
        mrb_raisef(mrb, E_ARGUMENT_ERROR, "invalid timeout: %v", value);
    return seconds;
}

static mrb_value m_initialize(mrb_state *mrb, mrb_value self)
{
    mrb_value source, flags = mrb_nil_value(), encoding = mrb_nil_value(), timeout = mrb_undef_value();
    const mrb_sym keywords[1] = { mrb_intern_lit(mrb, "timeout") };
    const mrb_kwargs kwargs = { 1, 0, keywords, &timeout, NULL };

    mrb_get_args(mrb, "o|oo:", &source, &flags, &encoding, &kwargs);
    if (DATA_PTR(self) != NULL)
        mrb_raise(mrb, E_TYPE_ERROR, "already initialized regexp");
    uint32_t options = options_of(mrb, flags);
    if (mrb_string_p(encoding))
        options |= options_of(mrb, encoding);
    struct regexp *other = regexp_of(mrb, source);
    if (other != NULL) {
        options = other->options;
        source = other->source;
    }
    double seconds = mrb_undef_p(timeout) ? -1 : timeout_of(mrb, timeout);
    compile(mrb, self, mrb_ensure_string_type(mrb, source), options);
    if (seconds > 0)
        ((struct regexp *)DATA_PTR(self))->timeout = seconds;
    return self;
}

/* --- The cache: an Array, hashed and open --- */

static mrb_bool is_cached(mrb_value entry, mrb_value source, uint32_t options, uint32_t hash)
{
    const struct regexp *regexp = (const struct regexp *)DATA_PTR(entry);
    return regexp->hash == hash && regexp->options == options && RSTRING_LEN(regexp->source) == RSTRING_LEN(source) &&
           memcmp(RSTRING_PTR(regexp->source), RSTRING_PTR(source), (size_t)RSTRING_LEN(source)) == 0;
}

static mrb_bool cache_put(mrb_state *mrb, mrb_value cache, mrb_value entry, uint32_t hash)
{
    mrb_int size = RARRAY_LEN(cache);
    for (mrb_int i = 0; i < CACHE_PROBES; i++) {
        mrb_int slot = (mrb_int)((hash + i) & (size - 1));
        if (mrb_nil_p(RARRAY_PTR(cache)[slot])) {
            mrb_ary_set(mrb, cache, slot, entry);
            return TRUE;
        }
    }
    return FALSE;
}

static mrb_value cache_sized(mrb_state *mrb, mrb_int size)
{
    mrb_value cache = mrb_ary_new_capa(mrb, size);
    mrb_ary_set(mrb, cache, size - 1, mrb_nil_value());
    mrb_iv_set(mrb, mrb_obj_value(regexp_class(mrb)), mrb_intern_lit(mrb, "__cache"), cache);
    return cache;
}

/* When the table is full, one that was there gives way. */
static void cache_add(mrb_state *mrb, mrb_value cache, mrb_value entry)
{
    uint32_t hash = ((const struct regexp *)DATA_PTR(entry))->hash;
    mrb_int size = RARRAY_LEN(cache);
    if (cache_put(mrb, cache, entry, hash))
        return;
    if (size == CACHE_MAX) {
        mrb_ary_set(mrb, cache, (mrb_int)((hash + (hash >> 16) % CACHE_PROBES) & (CACHE_MAX - 1)), entry);
        return;
    }
    mrb_value larger = cache_sized(mrb, size * 2);
    for (mrb_int i = 0; i < size; i++) {
        mrb_value old = RARRAY_PTR(cache)[i];
        if (!mrb_nil_p(old))
            cache_put(mrb, larger, old, ((const struct regexp *)DATA_PTR(old))->hash);
    }
    cache_put(mrb, larger, entry, hash);
}

static mrb_value regexp_cached(mrb_state *mrb, struct RClass *class, mrb_value source, uint32_t options)
{
    mrb_value cache = mrb_iv_get(mrb, mrb_obj_value(class), mrb_intern_lit(mrb, "__cache"));
    uint32_t fixed = options;
    mrb_bool ascii = TRUE;
    if (!(options & REGEXP_NOENCODING))
        utf8_valid(RSTRING_PTR(source), RSTRING_LEN(source), &ascii);
    if (!ascii)
        fixed |= REGEXP_FIXEDENCODING;
    uint32_t hash = hash_of(RSTRING_PTR(source), RSTRING_LEN(source), fixed);
    mrb_int size = RARRAY_LEN(cache);
    for (mrb_int i = 0; i < CACHE_PROBES; i++) {
        mrb_value entry = RARRAY_PTR(cache)[(hash + i) & (size - 1)];
        if (mrb_nil_p(entry))
            break;
        if (is_cached(entry, source, fixed, hash))
            return entry;
    }
    mrb_value self = mrb_obj_value(mrb_data_object_alloc(mrb, class, NULL, &regexp_type));
    compile(mrb, self, source, options);
    cache_add(mrb, cache, self);
    return self;
}

mrb_value regexp_new(mrb_state *mrb, mrb_value source, uint32_t options)
{
    return regexp_cached(mrb, regexp_class(mrb), source, options);
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
    uint32_t options = count > 1 ? options_of(mrb, args[1]) : 0;
    if (count > 2 && mrb_string_p(args[2]))
        options |= options_of(mrb, args[2]);
    return regexp_cached(mrb, class, args[0], options);
}

/* --- Methods --- */

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
    double seconds = globals_of(mrb)->timeout;
    (void)self;
    return seconds > 0 ? mrb_float_value(mrb, seconds) : mrb_nil_value();
}

static mrb_value m_set_default_timeout(mrb_state *mrb, mrb_value self)
{
    mrb_value value;
    (void)self;
    mrb_get_args(mrb, "o", &value);
    globals_of(mrb)->timeout = timeout_of(mrb, value);
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
        compile(mrb, self, regexp->source, regexp->options);
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

static void make_globals(mrb_state *mrb, struct RClass *class)
{
    struct RData *holder = mrb_data_object_alloc(mrb, mrb->object_class, NULL, &globals_type);
    struct regexp_globals *globals = (struct regexp_globals *)mrb_calloc(mrb, 1, sizeof *globals);
    globals->limits = onig_new_match_param();
    if (globals->limits == NULL) {
        mrb_free(mrb, globals);
        mrb_exc_raise(mrb, mrb_obj_value(mrb->nomem_err));
    }
    onig_initialize_match_param(globals->limits);
    onig_set_match_stack_limit_size_of_match_param(globals->limits, STACK_ENTRIES_MAX);
    globals->timeout = TIMEOUT_DEFAULT;
    holder->data = globals;
    mrb_iv_set(mrb, mrb_obj_value(class), mrb_intern_lit(mrb, "__globals"), mrb_obj_value(holder));
    cache_sized(mrb, CACHE_MIN);
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
    make_globals(mrb, class);

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
}

void mrb_mruby_regexp_gem_final(mrb_state *mrb)
{
    (void)mrb;
}
