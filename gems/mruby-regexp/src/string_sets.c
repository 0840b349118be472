/*
 * String#tr, delete, squeeze, count and their kin, and delete_prefix and delete_suffix. mruby's own take bytes for
 * characters, and leave the last one of a range out.
 */
#include <string.h>

#include <mruby.h>
#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/internal.h>
#include <mruby/string.h>

#include "regexp.h"

enum { NO_CHARACTER = -1, FIRST_BYTE = 0x110000 }; /* bytes that belong to no character follow the last code point */

struct range {
    int32_t low, high;
};

/* "a-z", "^a-z", "\\-": in an Array's order, which counts for tr. */
struct set {
    const struct range *ranges;
    int count;
    mrb_bool negated;
};

/* Until the method is over: a String's that nobody else has, and so long that it doesn't lie in the object itself. */
static void *room_for(mrb_state *mrb, size_t size)
{
    return RSTRING_PTR(mrb_str_new_capa(mrb, size + 64));
}

/* The character at `at`, which moves behind it. */
static int32_t next_character(const char *text, mrb_int *at, mrb_int length)
{
    const unsigned char *bytes = (const unsigned char *)text + *at;
    if (bytes[0] < 0x80)
        return text[(*at)++];
    mrb_int end = utf8_step(text, *at, length), size = end - *at;
    *at = end;
    switch (size) {
    case 2: return (bytes[0] & 0x1f) << 6 | (bytes[1] & 0x3f);
    case 3: return (bytes[0] & 0x0f) << 12 | (bytes[1] & 0x3f) << 6 | (bytes[2] & 0x3f);
    case 4: return (bytes[0] & 0x07) << 18 | (bytes[1] & 0x3f) << 12 | (bytes[2] & 0x3f) << 6 | (bytes[3] & 0x3f);
    default: return FIRST_BYTE + bytes[0];
    }
}

static void append_character(mrb_state *mrb, mrb_value to, int32_t character)
{
    char bytes[4];
    size_t size = 0;

    if (character < 0x80 || character >= FIRST_BYTE) {
        bytes[size++] = (char)character;
    } else if (character < 0x800) {
        bytes[size++] = (char)(0xc0 | character >> 6);
    } else if (character < 0x10000) {
        bytes[size++] = (char)(0xe0 | character >> 12);
        bytes[size++] = (char)(0x80 | (character >> 6 & 0x3f));
    } else {
        bytes[size++] = (char)(0xf0 | character >> 18);
        bytes[size++] = (char)(0x80 | (character >> 12 & 0x3f));
        bytes[size++] = (char)(0x80 | (character >> 6 & 0x3f));
    }
    if (character >= 0x80 && character < FIRST_BYTE)
        bytes[size++] = (char)(0x80 | (character & 0x3f));
    mrb_str_cat(mrb, to, bytes, size);
}

static struct set set_of(mrb_state *mrb, mrb_value pattern, mrb_bool may_be_negated)
{
    pattern = mrb_ensure_string_type(mrb, pattern);
    const char *text = RSTRING_PTR(pattern);
    mrb_int length = RSTRING_LEN(pattern), at = 0;
    struct range *ranges = room_for(mrb, (size_t)length * sizeof *ranges);
    struct set set = { .ranges = ranges };

    if (may_be_negated && length > 1 && text[0] == '^') {
        set.negated = TRUE;
        at = 1;
    }
    while (at < length) {
        if (text[at] == '\\' && at + 1 < length)
            at++;
        struct range *range = &ranges[set.count++];
        range->low = range->high = next_character(text, &at, length);
        if (at + 1 < length && text[at] == '-') {
            at++;
            range->high = next_character(text, &at, length);
            if (range->low > range->high && range->low < 0x80)
                mrb_raisef(mrb, E_ARGUMENT_ERROR, "invalid range \"%c-%c\" in string transliteration", (char)range->low,
                           (char)range->high);
            if (range->low > range->high)
                mrb_raise(mrb, E_ARGUMENT_ERROR, "invalid range in string transliteration");
        }
    }
    return set;
}

/* Of all the characters that the ranges name, which one it is; the last, when they name it more than once. */
static mrb_int place_in(const struct set *set, int32_t character)
{
    mrb_int before = 0, place = -1;
    for (int i = 0; i < set->count; i++) {
        const struct range *range = &set->ranges[i];
        if (range->low <= character && character <= range->high)
            place = before + character - range->low;
        before += range->high - range->low + 1;
    }
    return place;
}

static mrb_bool has(const struct set *set, int32_t character)
{
    return (place_in(set, character) >= 0) != set->negated;
}

/* The character at a place; beyond the end the last one. */
static int32_t character_at(const struct set *set, mrb_int place)
{
    for (int i = 0; i < set->count; i++) {
        const struct range *range = &set->ranges[i];
        if (place <= range->high - range->low)
            return range->low + (int32_t)place;
        place -= range->high - range->low + 1;
    }
    return set->ranges[set->count - 1].high;
}

/* What `character` becomes, or NO_CHARACTER. */
static int32_t translated(const struct set *from, const struct set *to, int32_t character)
{
    mrb_int place = place_in(from, character);
    if (from->negated)
        return place < 0 ? to->ranges[to->count - 1].high : NO_CHARACTER;
    return place >= 0 ? character_at(to, place) : NO_CHARACTER;
}

/* The new String, or nil when nothing is different. */
static mrb_value translate(mrb_state *mrb, mrb_value self, const struct set *from, const struct set *to,
                           mrb_bool squeeze)
{
    const char *text = RSTRING_PTR(self);
    mrb_int length = RSTRING_LEN(self), copied = 0;
    int32_t last = NO_CHARACTER;
    mrb_value result = mrb_nil_value();

    for (mrb_int start = 0, at = 0; at < length; start = at) {
        int32_t other = translated(from, to, next_character(text, &at, length));
        if (other != NO_CHARACTER) {
            if (mrb_nil_p(result))
                result = mrb_str_new_capa(mrb, (size_t)length);
            if (start > copied)
                mrb_str_cat(mrb, result, text + copied, (size_t)(start - copied));
            if (!squeeze || other != last)
                append_character(mrb, result, other);
            copied = at;
        }
        last = other;
    }
    return mrb_nil_p(result) ? result : mrb_str_cat(mrb, result, text + copied, (size_t)(length - copied));
}

/* Sets of which a character has to be in each. */
struct sets {
    struct set *sets;
    mrb_int count;
};

static struct sets arguments(mrb_state *mrb)
{
    const mrb_value *patterns;
    struct sets sets;
    mrb_get_args(mrb, "*", &patterns, &sets.count);
    sets.sets = room_for(mrb, (size_t)sets.count * sizeof *sets.sets);
    for (mrb_int i = 0; i < sets.count; i++)
        sets.sets[i] = set_of(mrb, patterns[i], TRUE);
    return sets;
}

static mrb_bool in_all(const struct sets *sets, int32_t character)
{
    for (mrb_int i = 0; i < sets->count; i++)
        if (!has(&sets->sets[i], character))
            return FALSE;
    return TRUE;
}

/* Without the characters of the sets, or only those that follow one like them; nil when there are none. */
static mrb_value without(mrb_state *mrb, mrb_value self, const struct sets *sets, mrb_bool only_repeated)
{
    const char *text = RSTRING_PTR(self);
    mrb_int length = RSTRING_LEN(self), copied = 0;
    int32_t last = NO_CHARACTER;
    mrb_value result = mrb_nil_value();

    for (mrb_int start = 0, at = 0; at < length; start = at) {
        int32_t character = next_character(text, &at, length);
        if ((!only_repeated || character == last) && in_all(sets, character)) {
            if (mrb_nil_p(result))
                result = mrb_str_new_capa(mrb, (size_t)length);
            mrb_str_cat(mrb, result, text + copied, (size_t)(start - copied));
            copied = at;
        }
        last = character;
    }
    return mrb_nil_p(result) ? result : mrb_str_cat(mrb, result, text + copied, (size_t)(length - copied));
}

/* --- the methods; those that change self return it, or nil when it stays as it is --- */

static void check_frozen(mrb_state *mrb, mrb_value self)
{
    if (mrb_frozen_p(mrb_basic_ptr(self)))
        mrb_raisef(mrb, E_FROZEN_ERROR, "can't modify frozen String: %!v", self);
}

static mrb_value or_copy(mrb_state *mrb, mrb_value self, mrb_value changed)
{
    return mrb_nil_p(changed) ? mrb_str_dup(mrb, self) : changed;
}

static mrb_value change(mrb_state *mrb, mrb_value self, mrb_value changed)
{
    return mrb_nil_p(changed) ? changed : mrb_funcall(mrb, self, "replace", 1, changed);
}

static mrb_value tr(mrb_state *mrb, mrb_value self, mrb_bool squeeze)
{
    mrb_value from, to;
    mrb_get_args(mrb, "oo", &from, &to);
    struct set characters = set_of(mrb, from, TRUE), others = set_of(mrb, to, FALSE);
    if (others.count > 0)
        return translate(mrb, self, &characters, &others, squeeze);
    struct sets sets = { .sets = &characters, .count = 1 };
    return without(mrb, self, &sets, FALSE);
}

static mrb_value m_tr(mrb_state *mrb, mrb_value self)
{
    return or_copy(mrb, self, tr(mrb, self, FALSE));
}

static mrb_value m_tr_bang(mrb_state *mrb, mrb_value self)
{
    check_frozen(mrb, self);
    return change(mrb, self, tr(mrb, self, FALSE));
}

static mrb_value m_tr_s(mrb_state *mrb, mrb_value self)
{
    return or_copy(mrb, self, tr(mrb, self, TRUE));
}

static mrb_value m_tr_s_bang(mrb_state *mrb, mrb_value self)
{
    check_frozen(mrb, self);
    return change(mrb, self, tr(mrb, self, TRUE));
}

static struct sets some_arguments(mrb_state *mrb)
{
    if (mrb_get_argc(mrb) == 0)
        mrb_argnum_error(mrb, 0, 1, -1);
    return arguments(mrb);
}

static mrb_value m_delete(mrb_state *mrb, mrb_value self)
{
    struct sets sets = some_arguments(mrb);
    return or_copy(mrb, self, without(mrb, self, &sets, FALSE));
}

static mrb_value m_delete_bang(mrb_state *mrb, mrb_value self)
{
    struct sets sets = some_arguments(mrb);
    check_frozen(mrb, self);
    return change(mrb, self, without(mrb, self, &sets, FALSE));
}

static mrb_value m_squeeze(mrb_state *mrb, mrb_value self)
{
    struct sets sets = arguments(mrb);
    return or_copy(mrb, self, without(mrb, self, &sets, TRUE));
}

static mrb_value m_squeeze_bang(mrb_state *mrb, mrb_value self)
{
    struct sets sets = arguments(mrb);
    check_frozen(mrb, self);
    return change(mrb, self, without(mrb, self, &sets, TRUE));
}

static mrb_value m_count(mrb_state *mrb, mrb_value self)
{
    struct sets sets = some_arguments(mrb);
    const char *text = RSTRING_PTR(self);
    mrb_int count = 0;
    for (mrb_int at = 0; at < RSTRING_LEN(self);)
        count += in_all(&sets, next_character(text, &at, RSTRING_LEN(self)));
    return mrb_int_value(mrb, count);
}

static mrb_value without_end(mrb_state *mrb, mrb_value self, mrb_bool front)
{
    mrb_value end = mrb_ensure_string_type(mrb, mrb_get_arg1(mrb));
    mrb_int size = RSTRING_LEN(end), left = RSTRING_LEN(self) - size;
    if (size == 0 || left < 0 || memcmp(RSTRING_PTR(self) + (front ? 0 : left), RSTRING_PTR(end), (size_t)size) != 0)
        return mrb_nil_value();
    return mrb_str_byte_subseq(mrb, self, front ? size : 0, left);
}

static mrb_value m_delete_prefix(mrb_state *mrb, mrb_value self)
{
    return or_copy(mrb, self, without_end(mrb, self, TRUE));
}

static mrb_value m_delete_prefix_bang(mrb_state *mrb, mrb_value self)
{
    check_frozen(mrb, self);
    return change(mrb, self, without_end(mrb, self, TRUE));
}

static mrb_value m_delete_suffix(mrb_state *mrb, mrb_value self)
{
    return or_copy(mrb, self, without_end(mrb, self, FALSE));
}

static mrb_value m_delete_suffix_bang(mrb_state *mrb, mrb_value self)
{
    check_frozen(mrb, self);
    return change(mrb, self, without_end(mrb, self, FALSE));
}

void string_sets_init(mrb_state *mrb)
{
    struct RClass *class = mrb->string_class;

    mrb_define_method(mrb, class, "tr", m_tr, MRB_ARGS_REQ(2));
    mrb_define_method(mrb, class, "tr!", m_tr_bang, MRB_ARGS_REQ(2));
    mrb_define_method(mrb, class, "tr_s", m_tr_s, MRB_ARGS_REQ(2));
    mrb_define_method(mrb, class, "tr_s!", m_tr_s_bang, MRB_ARGS_REQ(2));
    mrb_define_method(mrb, class, "delete", m_delete, MRB_ARGS_ANY());
    mrb_define_method(mrb, class, "delete!", m_delete_bang, MRB_ARGS_ANY());
    mrb_define_method(mrb, class, "squeeze", m_squeeze, MRB_ARGS_ANY());
    mrb_define_method(mrb, class, "squeeze!", m_squeeze_bang, MRB_ARGS_ANY());
    mrb_define_method(mrb, class, "count", m_count, MRB_ARGS_ANY());
    mrb_define_method(mrb, class, "delete_prefix", m_delete_prefix, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "delete_prefix!", m_delete_prefix_bang, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "delete_suffix", m_delete_suffix, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "delete_suffix!", m_delete_suffix_bang, MRB_ARGS_REQ(1));
}
