/*
 * $~ and what follows from it. mruby compiles $1 and $& to reads of a global variable: the linker puts the functions
 * below in front of mruby's (--wrap, see mrbgem.rake), so that a match has no more to do than to remember itself.
 */
#include <mruby.h>
#include <mruby/internal.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include "regexp.h"

mrb_value __real_mrb_gv_get(mrb_state *mrb, mrb_sym symbol) __attribute__((weak));
void __real_mrb_gv_set(mrb_state *mrb, mrb_sym symbol, mrb_value value) __attribute__((weak));
mrb_value __wrap_mrb_gv_get(mrb_state *mrb, mrb_sym symbol);
void __wrap_mrb_gv_set(mrb_state *mrb, mrb_sym symbol, mrb_value value);

void last_match_set(mrb_state *mrb, mrb_value match)
{
    mrb_gv_set(mrb, mrb_intern_lit(mrb, "$~"), match);
}

mrb_value last_match_get(mrb_state *mrb)
{
    return mrb_gv_get(mrb, mrb_intern_lit(mrb, "$~"));
}

/* What $& $` $' $+ or $1 stand for; undef for every other name. */
static mrb_value derived(mrb_state *mrb, const char *name, mrb_int length)
{
    mrb_int group = 0;
    char letter = name[1];

    if (letter >= '1' && letter <= '9') {
        for (mrb_int i = 1; i < length; i++) {
            if (name[i] < '0' || name[i] > '9' || group > 100000)
                return mrb_undef_value();
            group = group * 10 + name[i] - '0';
        }
    } else if (length != 2 || (letter != '&' && letter != '`' && letter != '\'' && letter != '+')) {
        return mrb_undef_value();
    }
    mrb_value value = last_match_get(mrb);
    if (mrb_nil_p(value))
        return value;
    const struct match *match = match_get(mrb, value);
    const struct span *whole = &match->spans[0];
    switch (letter) {
    case '`': return mrb_str_byte_subseq(mrb, match->string, 0, whole->from);
    case '\'': return mrb_str_byte_subseq(mrb, match->string, whole->to, RSTRING_LEN(match->string) - whole->to);
    case '+':
        for (group = match->count - 1; group > 0 && match->spans[group].from < 0; group--)
            ;
        return group > 0 ? match_group(mrb, match, group) : mrb_nil_value();
    default: return match_group(mrb, match, group);
    }
}

mrb_value __wrap_mrb_gv_get(mrb_state *mrb, mrb_sym symbol)
{
    mrb_int length;
    const char *name = mrb_sym_name_len(mrb, symbol, &length);
    if (name != NULL && length >= 2 && name[0] == '$' && name[1] <= '9') {
        mrb_value value = derived(mrb, name, length);
        if (!mrb_undef_p(value))
            return value;
    } else if (name != NULL && length == 2 && name[0] == '$' && name[1] == '`') {
        return derived(mrb, name, length);
    }
    return __real_mrb_gv_get(mrb, symbol);
}

void __wrap_mrb_gv_set(mrb_state *mrb, mrb_sym symbol, mrb_value value)
{
    mrb_int length;
    const char *name = mrb_sym_name_len(mrb, symbol, &length);
    if (name != NULL && length == 2 && name[0] == '$' && name[1] == '~' && !mrb_nil_p(value))
        match_get(mrb, value);
    __real_mrb_gv_set(mrb, symbol, value);
}
