/*
 * What a Regexp is made of. Literals call Regexp.compile each time that they are evaluated: a table by source and
 * options gives them the same object again.
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

struct RClass *regexp_class(mrb_state *mrb)
{
    return mrb_class_get_id(mrb, mrb_intern_lit(mrb, "Regexp"));
}

struct regexp_globals *regexp_globals_of(mrb_state *mrb)
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

void regexp_compile(mrb_state *mrb, mrb_value self, mrb_value source, uint32_t options)
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
    regexp->globals = regexp_globals_of(mrb);
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

uint32_t regexp_options(mrb_state *mrb, mrb_value value)
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
double regexp_timeout(mrb_state *mrb, mrb_value value)
{
    if (mrb_nil_p(value))
        return 0;
    double seconds = mrb_as_float(mrb, value);
    if (!(seconds > 0))
        mrb_raisef(mrb, E_ARGUMENT_ERROR, "invalid timeout: %v", value);
    return seconds;
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

mrb_value regexp_cached(mrb_state *mrb, struct RClass *class, mrb_value source, uint32_t options)
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
    regexp_compile(mrb, self, source, options);
    cache_add(mrb, cache, self);
    return self;
}

mrb_value regexp_new(mrb_state *mrb, mrb_value source, uint32_t options)
{
    return regexp_cached(mrb, regexp_class(mrb), source, options);
}

void regexp_globals_make(mrb_state *mrb, struct RClass *class)
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
