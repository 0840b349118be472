/*
 * The methods of String that find something. Arguments without a Regexp go to mruby's own.
 */
#include <string.h>

#include <mruby.h>
#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/proc.h>
#include <mruby/internal.h>
#include <mruby/string.h>

#include "finder.h"

/* mruby's, the same in each interpreter. */
static mrb_func_t plain_aref, plain_aset, plain_index, plain_rindex, plain_split, plain_start_with;

static mrb_func_t function_of(mrb_state *mrb, const char *name)
{
    struct RClass *class = mrb->string_class;
    mrb_method_t method = mrb_method_search_vm(mrb, &class, mrb_intern_cstr(mrb, name));
    if (MRB_METHOD_UNDEF_P(method) || !MRB_METHOD_CFUNC_P(method))
        mrb_raisef(mrb, E_RUNTIME_ERROR, "mruby-regexp: String#%s is not mruby's own", name);
    return MRB_METHOD_CFUNC(method);
}

static mrb_bool takes_regexp(mrb_state *mrb)
{
    return mrb_get_argc(mrb) > 0 && regexp_of(mrb, mrb_get_argv(mrb)[0]) != NULL;
}

/* $~ and what it found, or nil. */
static mrb_value match_at(mrb_state *mrb, mrb_value pattern, mrb_value string, mrb_int from)
{
    struct finder finder;
    finder_begin(mrb, &finder, pattern, string);
    mrb_value match = finder_match_again(mrb, &finder, from);
    last_match_set(mrb, match);
    return match;
}

static mrb_value m_aref(mrb_state *mrb, mrb_value self)
{
    mrb_value pattern, group = mrb_fixnum_value(0);
    if (!takes_regexp(mrb))
        return plain_aref(mrb, self);
    mrb_get_args(mrb, "o|o", &pattern, &group);
    mrb_value match = match_at(mrb, pattern, self, 0);
    return mrb_nil_p(match) ? match : mrb_funcall(mrb, match, "[]", 1, group);
}

static mrb_value m_aset(mrb_state *mrb, mrb_value self)
{
    mrb_value pattern, group, value;
    if (!takes_regexp(mrb))
        return plain_aset(mrb, self);
    if (mrb_get_args(mrb, "oo|o", &pattern, &group, &value) == 2) {
        value = group;
        group = mrb_fixnum_value(0);
    }
    value = mrb_ensure_string_type(mrb, value);
    mrb_value match = match_at(mrb, pattern, self, 0);
    if (mrb_nil_p(match))
        mrb_raise(mrb, E_INDEX_ERROR, "regexp not matched");
    if (mrb_integer_p(group) && mrb_integer(group) < 0)
        group = mrb_int_value(mrb, mrb_integer(group) + match_get(mrb, match)->count);
    mrb_value span = mrb_funcall(mrb, match, "byteoffset", 1, group);
    if (mrb_nil_p(RARRAY_PTR(span)[0]))
        mrb_raisef(mrb, E_INDEX_ERROR, "regexp group %v not matched", group);
    mrb_int from = mrb_integer(RARRAY_PTR(span)[0]), to = mrb_integer(RARRAY_PTR(span)[1]);
    mrb_funcall(mrb, self, "bytesplice", 3, mrb_int_value(mrb, from), mrb_int_value(mrb, to > from ? to - from : 0),
                value);
    return value;
}

static mrb_value m_index(mrb_state *mrb, mrb_value self)
{
    mrb_value pattern;
    mrb_int position = 0;
    if (!takes_regexp(mrb))
        return plain_index(mrb, self);
    mrb_get_args(mrb, "o|i", &pattern, &position);
    if (position < 0)
        position += utf8_chars(self, RSTRING_LEN(self));
    mrb_value match = match_at(mrb, pattern, self, position < 0 ? -1 : utf8_offset(self, position));
    return mrb_nil_p(match) ? match : mrb_funcall(mrb, match, "begin", 1, mrb_fixnum_value(0));
}

static mrb_value m_rindex(mrb_state *mrb, mrb_value self)
{
    mrb_value pattern;
    mrb_int position;
    struct search search;
    if (!takes_regexp(mrb))
        return plain_rindex(mrb, self);
    mrb_int from = RSTRING_LEN(self);
    if (mrb_get_args(mrb, "o|i", &pattern, &position) == 2) {
        mrb_int characters = utf8_chars(self, RSTRING_LEN(self));
        if (position < 0)
            position += characters;
        from = position < 0 ? -1 : position >= characters ? RSTRING_LEN(self) : utf8_offset(self, position);
    }
    struct regexp *regexp = regexp_get(mrb, pattern);
    search_begin(mrb, &search, regexp, self);
    mrb_value match = from >= 0 && search_backward(mrb, &search, from)
                          ? match_new(mrb, pattern, self, &regexp->globals->region)
                          : mrb_nil_value();
    last_match_set(mrb, match);
    return mrb_nil_p(match) ? match : mrb_funcall(mrb, match, "begin", 1, mrb_fixnum_value(0));
}

static mrb_bool starts_with(mrb_state *mrb, mrb_value self, mrb_value with)
{
    struct search search;
    struct regexp *regexp = regexp_of(mrb, with);
    if (regexp == NULL) {
        with = mrb_ensure_string_type(mrb, with);
        return RSTRING_LEN(with) <= RSTRING_LEN(self) &&
               memcmp(RSTRING_PTR(self), RSTRING_PTR(with), (size_t)RSTRING_LEN(with)) == 0;
    }
    search_begin(mrb, &search, regexp, self);
    mrb_bool found = search_here(mrb, &search, 0);
    last_match_set(mrb, found ? match_new(mrb, with, self, &regexp->globals->region) : mrb_nil_value());
    return found;
}

static mrb_value m_start_with(mrb_state *mrb, mrb_value self)
{
    const mrb_value *args;
    mrb_int count;
    mrb_bool any = FALSE;
    mrb_get_args(mrb, "*", &args, &count);
    for (mrb_int i = 0; i < count; i++)
        any |= regexp_of(mrb, args[i]) != NULL;
    if (!any)
        return plain_start_with(mrb, self);
    for (mrb_int i = 0; i < count; i++)
        if (starts_with(mrb, self, args[i]))
            return mrb_true_value();
    return mrb_false_value();
}

/* --- split --- */

static void push_part(mrb_state *mrb, mrb_value array, mrb_value string, mrb_int from, mrb_int to)
{
    int arena = mrb_gc_arena_save(mrb);
    mrb_ary_push(mrb, array, mrb_str_byte_subseq(mrb, string, from, to > from ? to - from : 0));
    mrb_gc_arena_restore(mrb, arena);
}

static void push_groups(mrb_state *mrb, mrb_value array, const struct finder *finder, mrb_bool all)
{
    const OnigRegion *region = &finder->regexp->globals->region;
    for (int i = 1; i < region->num_regs; i++) {
        if (region->beg[i] >= 0)
            push_part(mrb, array, finder->string, region->beg[i], region->end[i]);
        else if (all)
            mrb_ary_push(mrb, array, mrb_nil_value());
    }
}

static mrb_value split(mrb_state *mrb, struct finder *finder, mrb_int limit)
{
    mrb_value result = mrb_ary_new(mrb);
    mrb_int length = finder->search.length, begin = 0, start = 0, parts = 1;
    mrb_bool was_empty = FALSE;

    while (start <= length && finder_next(mrb, finder, start)) {
        if (finder->from == start && finder->to == finder->from) {
            if (!was_empty) {
                start = utf8_step(finder->search.text, start, length);
                was_empty = TRUE;
                continue;
            }
            push_part(mrb, result, finder->string, begin, start);
            begin = start;
        } else {
            push_part(mrb, result, finder->string, begin, finder->from);
            begin = start = finder->to;
        }
        was_empty = FALSE;
        push_groups(mrb, result, finder, FALSE);
        if (limit > 0 && limit <= ++parts)
            break;
    }
    if (length > 0 && (limit != 0 || length > begin))
        push_part(mrb, result, finder->string, begin, length);
    if (limit == 0)
        while (RARRAY_LEN(result) > 0 && RSTRING_LEN(RARRAY_PTR(result)[RARRAY_LEN(result) - 1]) == 0)
            mrb_ary_pop(mrb, result);
    return result;
}

static mrb_value split_all(mrb_state *mrb, mrb_value self)
{
    mrb_value pattern;
    mrb_int limit = 0;
    struct finder finder;
    if (!takes_regexp(mrb))
        return plain_split(mrb, self);
    mrb_get_args(mrb, "o|i", &pattern, &limit);
    if (limit == 1) {
        mrb_value all = mrb_str_dup(mrb, self);
        return RSTRING_LEN(self) == 0 ? mrb_ary_new(mrb) : mrb_ary_new_from_values(mrb, 1, &all);
    }
    finder_begin(mrb, &finder, pattern, self);
    return split(mrb, &finder, limit);
}

static mrb_value m_split(mrb_state *mrb, mrb_value self)
{
    mrb_value parts = split_all(mrb, self);
    if (!mrb_block_given_p(mrb))
        return parts;
    const mrb_value *unused;
    mrb_int count;
    mrb_value block;
    mrb_get_args(mrb, "*&", &unused, &count, &block);
    mrb_funcall_with_block(mrb, parts, mrb_intern_lit(mrb, "each"), 0, NULL, block);
    return self;
}

/* --- scan --- */

static mrb_value m_scan(mrb_state *mrb, mrb_value self)
{
    mrb_value pattern;
    mrb_int at = 0, last = -1;
    struct finder finder;

    mrb_get_args(mrb, "o", &pattern);
    finder_begin(mrb, &finder, pattern, self);
    mrb_value result = mrb_ary_new(mrb);
    while (finder_next(mrb, &finder, at)) {
        int arena = mrb_gc_arena_save(mrb);
        if (finder.regexp == NULL || finder.regexp->globals->region.num_regs == 1) {
            push_part(mrb, result, finder.string, finder.from, finder.to);
        } else {
            mrb_value groups = mrb_ary_new_capa(mrb, finder.regexp->globals->region.num_regs - 1);
            push_groups(mrb, groups, &finder, TRUE);
            mrb_ary_push(mrb, result, groups);
        }
        mrb_gc_arena_restore(mrb, arena);
        last = at;
        at = finder_after(&finder);
    }
    last_match_set(mrb, finder_match_again(mrb, &finder, last));
    return result;
}

/* For methods in Ruby: the next match from a byte on. Beyond the first byte the string is one that was frozen and valid
   in the search before. */
static mrb_value m_match_from(mrb_state *mrb, mrb_value self)
{
    mrb_value pattern;
    mrb_int from;
    struct finder finder;
    mrb_get_args(mrb, "oi", &pattern, &from);
    if (from > 0 && mrb_frozen_p(mrb_basic_ptr(self)))
        finder_go_on(&finder, regexp_of(mrb, pattern), pattern, self);
    else
        finder_begin(mrb, &finder, pattern, self);
    mrb_value match = finder_match_again(mrb, &finder, from);
    last_match_set(mrb, match);
    return match;
}

void string_search_init(mrb_state *mrb)
{
    struct RClass *class = mrb->string_class;

    plain_aref = function_of(mrb, "[]");
    plain_aset = function_of(mrb, "[]=");
    plain_index = function_of(mrb, "index");
    plain_rindex = function_of(mrb, "rindex");
    plain_split = function_of(mrb, "split");
    plain_start_with = function_of(mrb, "start_with?");
    mrb_define_method(mrb, class, "[]", m_aref, MRB_ARGS_ANY());
    mrb_define_method(mrb, class, "slice", m_aref, MRB_ARGS_ANY());
    mrb_define_method(mrb, class, "[]=", m_aset, MRB_ARGS_ANY());
    mrb_define_method(mrb, class, "index", m_index, MRB_ARGS_ANY());
    mrb_define_method(mrb, class, "rindex", m_rindex, MRB_ARGS_ANY());
    mrb_define_method(mrb, class, "split", m_split, MRB_ARGS_ANY());
    mrb_define_method(mrb, class, "start_with?", m_start_with, MRB_ARGS_ANY());
    mrb_define_method(mrb, class, "__scan", m_scan, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "__match_from", m_match_from, MRB_ARGS_REQ(2));
}
