/*
 * String#sub and gsub with a String or a Hash of replacements.
 */
#include <string.h>

#include <mruby.h>
#include <mruby/hash.h>
#include <mruby/internal.h>
#include <mruby/string.h>

#include "finder.h"

static void append_group(mrb_state *mrb, mrb_value to, const struct finder *finder, int group)
{
    mrb_int from = finder->from, end = finder->to;
    if (finder->regexp != NULL && group > 0) {
        const OnigRegion *region = &finder->regexp->globals->region;
        if (group >= region->num_regs || region->beg[group] < 0)
            return;
        from = region->beg[group];
        end = region->end[group];
    } else if (group > 0) {
        return;
    }
    if (end > from)
        mrb_str_cat(mrb, to, finder->search.text + from, (size_t)(end - from));
}

/* "k<name>": how long it is; 0 when it is something else. */
static mrb_int append_named(mrb_state *mrb, mrb_value to, const struct finder *finder, const char *at, mrb_int left)
{
    const char *close = left > 3 && at[1] == '<' ? (const char *)memchr(at + 2, '>', (size_t)(left - 2)) : NULL;
    if (close == NULL || finder->regexp == NULL)
        return 0;
    const OnigUChar *name = (const OnigUChar *)at + 2, *end = (const OnigUChar *)close;
    int group = onig_name_to_backref_number(finder->regexp->compiled, name, end, &finder->regexp->globals->region);
    if (group < 0)
        mrb_raisef(mrb, E_INDEX_ERROR, "undefined group name reference: %l", at + 2, (size_t)(close - at - 2));
    append_group(mrb, to, finder, group);
    return close + 1 - at;
}

static void append_expanded(mrb_state *mrb, mrb_value to, const struct finder *finder, mrb_value template)
{
    const char *at = RSTRING_PTR(template), *end = at + RSTRING_LEN(template);
    const char *text = finder->search.text;
    for (;;) {
        const char *backslash = (const char *)memchr(at, '\\', (size_t)(end - at));
        if (backslash == NULL || backslash + 1 == end)
            break;
        mrb_str_cat(mrb, to, at, (size_t)(backslash - at));
        char letter = backslash[1];
        at = backslash + 2;
        if (letter == '&' || letter == '0') {
            append_group(mrb, to, finder, 0);
        } else if (letter >= '1' && letter <= '9') {
            if (finder->regexp != NULL && onig_noname_group_capture_is_active(finder->regexp->compiled))
                append_group(mrb, to, finder, letter - '0');
        } else if (letter == '`') {
            mrb_str_cat(mrb, to, text, (size_t)finder->from);
        } else if (letter == '\'') {
            mrb_str_cat(mrb, to, text + finder->to, (size_t)(finder->search.length - finder->to));
        } else if (letter == '\\') {
            mrb_str_cat_lit(mrb, to, "\\");
        } else {
            mrb_int length = letter == 'k' ? append_named(mrb, to, finder, backslash + 1, end - backslash - 1) : 0;
            if (length > 0)
                at = backslash + 1 + length;
            else
                mrb_str_cat(mrb, to, backslash, 2);
        }
    }
    mrb_str_cat(mrb, to, at, (size_t)(end - at));
}

static void append_replacement(mrb_state *mrb, mrb_value to, const struct finder *finder, mrb_value replacement)
{
    if (mrb_string_p(replacement)) {
        append_expanded(mrb, to, finder, replacement);
        return;
    }
    mrb_value found = mrb_str_byte_subseq(mrb, finder->string, finder->from, finder->to - finder->from);
    mrb_str_cat_str(mrb, to, mrb_obj_as_string(mrb, mrb_hash_get(mrb, replacement, found)));
}

/* __replace(pattern, replacement, all): the new String, or nil when nothing was found; $~ is the last match. */
static mrb_value m_replace(mrb_state *mrb, mrb_value self)
{
    mrb_value pattern, replacement;
    mrb_bool all;
    mrb_int at = 0, copied = 0, last = -1;
    struct finder finder;

    mrb_get_args(mrb, "oob", &pattern, &replacement, &all);
    if (!mrb_hash_p(replacement))
        replacement = mrb_ensure_string_type(mrb, replacement);
    finder_begin(mrb, &finder, pattern, self);
    mrb_value result = mrb_nil_value();
    while (finder_next(mrb, &finder, at)) {
        if (last < 0)
            result = mrb_str_new_capa(mrb, (size_t)finder.search.length);
        last = at;
        at = finder_after(&finder);
        mrb_str_cat(mrb, result, finder.search.text + copied, (size_t)(finder.from - copied));
        copied = finder.to;
        int arena = mrb_gc_arena_save(mrb);
        append_replacement(mrb, result, &finder, replacement);
        mrb_gc_arena_restore(mrb, arena);
        if (!all)
            break;
    }
    if (last >= 0)
        mrb_str_cat(mrb, result, finder.search.text + copied, (size_t)(finder.search.length - copied));
    last_match_set(mrb, finder_match_again(mrb, &finder, last));
    return result;
}

void string_replace_init(mrb_state *mrb)
{
    mrb_define_method(mrb, mrb->string_class, "__replace", m_replace, MRB_ARGS_REQ(3));
}
