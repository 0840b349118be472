/*
 * class MatchData.
 */
#include <string.h>

#include <mruby.h>
#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/hash.h>
#include <mruby/range.h>
#include <mruby/internal.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include "regexp.h"

static const mrb_data_type match_type = { "MatchData", mrb_free };

mrb_value frozen_copy(mrb_state *mrb, mrb_value string)
{
    if (mrb_frozen_p(mrb_basic_ptr(string)))
        return string;
    return mrb_obj_freeze(mrb, mrb_str_dup(mrb, string));
}

static struct match *allocate(mrb_state *mrb, mrb_value *value, mrb_value regexp, mrb_value string, int count)
{
    struct RClass *class = mrb_class_get_id(mrb, mrb_intern_lit(mrb, "MatchData"));
    struct RData *data = mrb_data_object_alloc(mrb, class, NULL, &match_type);
    *value = mrb_obj_value(data);
    struct match *match = (struct match *)mrb_malloc(mrb, sizeof *match + (size_t)count * sizeof *match->spans);
    match->count = count;
    match->regexp = regexp;
    match->string = mrb_nil_value();
    data->data = match;
    match->string = frozen_copy(mrb, string);
    mrb_iv_set(mrb, *value, mrb_intern_lit(mrb, "__string"), match->string);
    if (!mrb_nil_p(regexp))
        mrb_iv_set(mrb, *value, mrb_intern_lit(mrb, "__regexp"), regexp);
    return match;
}

mrb_value match_new(mrb_state *mrb, mrb_value regexp, mrb_value string, const OnigRegion *region)
{
    mrb_value value;
    struct match *match = allocate(mrb, &value, regexp, string, region->num_regs);
    for (int i = 0; i < match->count; i++)
        match->spans[i] = (struct span){ region->beg[i], region->end[i] };
    return value;
}

mrb_value match_new_plain(mrb_state *mrb, mrb_value string, mrb_int from, mrb_int to)
{
    mrb_value value;
    struct match *match = allocate(mrb, &value, mrb_nil_value(), string, 1);
    match->spans[0] = (struct span){ from, to };
    return value;
}

struct match *match_get(mrb_state *mrb, mrb_value value)
{
    struct match *match = (struct match *)mrb_data_check_get_ptr(mrb, value, &match_type);
    if (match == NULL)
        mrb_raisef(mrb, E_TYPE_ERROR, "wrong argument type %C (expected MatchData)", mrb_obj_class(mrb, value));
    return match;
}

mrb_value match_group(mrb_state *mrb, const struct match *match, mrb_int index)
{
    if (index < 0)
        index += match->count;
    if (index < 0 || index >= match->count || match->spans[index].from < 0)
        return mrb_nil_value();
    const struct span *span = &match->spans[index];
    /* (?=\K) may begin behind its end. */
    mrb_int length = span->to > span->from ? span->to - span->from : 0;
    return mrb_str_byte_subseq(mrb, match->string, span->from, length);
}

/* By number or name. */
static const struct span *span_of(mrb_state *mrb, const struct match *match, mrb_value index)
{
    mrb_int number;
    if (mrb_symbol_p(index))
        index = mrb_sym_str(mrb, mrb_symbol(index));
    if (mrb_string_p(index))
        number = regexp_group_named(mrb, match, RSTRING_PTR(index), RSTRING_LEN(index));
    else
        number = mrb_as_int(mrb, index);
    if (number < 0 || number >= match->count)
        mrb_raisef(mrb, E_INDEX_ERROR, "index %i out of matches", number);
    return &match->spans[number];
}

static mrb_value to_array(mrb_state *mrb, const struct match *match, int from)
{
    mrb_value array = mrb_ary_new_capa(mrb, match->count - from);
    for (int i = from; i < match->count; i++) {
        int arena = mrb_gc_arena_save(mrb);
        mrb_ary_push(mrb, array, match_group(mrb, match, i));
        mrb_gc_arena_restore(mrb, arena);
    }
    return array;
}

static mrb_value m_aref(mrb_state *mrb, mrb_value self)
{
    const struct match *match = match_get(mrb, self);
    mrb_value index, length;
    mrb_int count = mrb_get_args(mrb, "o|o", &index, &length);

    if (count == 1 && mrb_integer_p(index))
        return match_group(mrb, match, mrb_integer(index));
    if (count == 1 && (mrb_symbol_p(index) || mrb_string_p(index)))
        return match_group(mrb, match, (mrb_int)(span_of(mrb, match, index) - match->spans));
    if (count == 1)
        return mrb_funcall(mrb, to_array(mrb, match, 0), "[]", 1, index);
    return mrb_funcall(mrb, to_array(mrb, match, 0), "[]", 2, index, length);
}

static mrb_value position(mrb_state *mrb, const struct match *match, mrb_int at)
{
    return at < 0 ? mrb_nil_value() : mrb_int_value(mrb, utf8_chars(match->string, at));
}

static const struct span *span_argument(mrb_state *mrb, const struct match *match)
{
    mrb_value index;
    mrb_get_args(mrb, "o", &index);
    return span_of(mrb, match, index);
}

static mrb_value m_begin(mrb_state *mrb, mrb_value self)
{
    const struct match *match = match_get(mrb, self);
    return position(mrb, match, span_argument(mrb, match)->from);
}

static mrb_value m_end(mrb_state *mrb, mrb_value self)
{
    const struct match *match = match_get(mrb, self);
    return position(mrb, match, span_argument(mrb, match)->to);
}

static mrb_value m_offset(mrb_state *mrb, mrb_value self)
{
    const struct match *match = match_get(mrb, self);
    const struct span *span = span_argument(mrb, match);
    return mrb_assoc_new(mrb, position(mrb, match, span->from), position(mrb, match, span->to));
}

static mrb_value m_byteoffset(mrb_state *mrb, mrb_value self)
{
    const struct match *match = match_get(mrb, self);
    const struct span *span = span_argument(mrb, match);
    if (span->from < 0)
        return mrb_assoc_new(mrb, mrb_nil_value(), mrb_nil_value());
    return mrb_assoc_new(mrb, mrb_int_value(mrb, span->from), mrb_int_value(mrb, span->to));
}

static mrb_value m_pre_match(mrb_state *mrb, mrb_value self)
{
    const struct match *match = match_get(mrb, self);
    return mrb_str_byte_subseq(mrb, match->string, 0, match->spans[0].from);
}

static mrb_value m_post_match(mrb_state *mrb, mrb_value self)
{
    const struct match *match = match_get(mrb, self);
    mrb_int to = match->spans[0].to;
    return mrb_str_byte_subseq(mrb, match->string, to, RSTRING_LEN(match->string) - to);
}

static mrb_value m_captures(mrb_state *mrb, mrb_value self)
{
    return to_array(mrb, match_get(mrb, self), 1);
}

static mrb_value m_to_a(mrb_state *mrb, mrb_value self)
{
    return to_array(mrb, match_get(mrb, self), 0);
}

static mrb_value m_to_s(mrb_state *mrb, mrb_value self)
{
    return match_group(mrb, match_get(mrb, self), 0);
}

static mrb_value m_size(mrb_state *mrb, mrb_value self)
{
    return mrb_fixnum_value(match_get(mrb, self)->count);
}

static mrb_value m_string(mrb_state *mrb, mrb_value self)
{
    return match_get(mrb, self)->string;
}

/* Of a String that was searched for: one that finds it. */
static mrb_value m_regexp(mrb_state *mrb, mrb_value self)
{
    const struct match *match = match_get(mrb, self);
    if (!mrb_nil_p(match->regexp))
        return match->regexp;
    mrb_value found = match_group(mrb, match, 0);
    return regexp_new(mrb, regexp_escape(mrb, RSTRING_PTR(found), RSTRING_LEN(found)), 0);
}

static mrb_value m_equal(mrb_state *mrb, mrb_value self)
{
    mrb_value other;
    mrb_get_args(mrb, "o", &other);
    const struct match *a = match_get(mrb, self);
    const struct match *b = (const struct match *)mrb_data_check_get_ptr(mrb, other, &match_type);
    return mrb_bool_value(b != NULL && a->count == b->count && mrb_str_equal(mrb, a->string, b->string) &&
                          memcmp(a->spans, b->spans, (size_t)a->count * sizeof *a->spans) == 0 &&
                          mrb_equal(mrb, m_regexp(mrb, self), m_regexp(mrb, other)));
}

/* Where a search for the next match begins: never twice at an empty match. In bytes; nil behind the end. */
static mrb_value m_next_start(mrb_state *mrb, mrb_value self)
{
    const struct match *match = match_get(mrb, self);
    const struct span *whole = &match->spans[0];
    mrb_int next = whole->to;
    if (whole->to <= whole->from)
        next = utf8_step(RSTRING_PTR(match->string), whole->to, RSTRING_LEN(match->string));
    return next > RSTRING_LEN(match->string) ? mrb_nil_value() : mrb_int_value(mrb, next);
}

void match_data_init(mrb_state *mrb, struct RClass *regexp_class)
{
    struct RClass *class = mrb_define_class(mrb, "MatchData", mrb->object_class);

    (void)regexp_class;
    MRB_SET_INSTANCE_TT(class, MRB_TT_CDATA);
    mrb_undef_class_method(mrb, class, "new");
    mrb_undef_class_method(mrb, class, "allocate");
    mrb_define_method(mrb, class, "[]", m_aref, MRB_ARGS_ARG(1, 1));
    mrb_define_method(mrb, class, "begin", m_begin, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "end", m_end, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "offset", m_offset, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "byteoffset", m_byteoffset, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "pre_match", m_pre_match, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "post_match", m_post_match, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "captures", m_captures, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "deconstruct", m_captures, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "to_a", m_to_a, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "to_s", m_to_s, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "size", m_size, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "length", m_size, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "string", m_string, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "regexp", m_regexp, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "==", m_equal, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "eql?", m_equal, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "__next_start", m_next_start, MRB_ARGS_NONE());
}
