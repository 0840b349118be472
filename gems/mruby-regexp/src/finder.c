#define _GNU_SOURCE
#include <string.h>

#include <mruby.h>
#include <mruby/class.h>
#include <mruby/string.h>

#include "finder.h"

void finder_go_on(struct finder *finder, struct regexp *regexp, mrb_value pattern, mrb_value string)
{
    *finder = (struct finder){ .pattern = pattern, .string = string, .regexp = regexp, .from = -1, .to = -1 };
    search_go_on(&finder->search, regexp, string);
}

void finder_begin(mrb_state *mrb, struct finder *finder, mrb_value pattern, mrb_value string)
{
    struct regexp *regexp = regexp_of(mrb, pattern);
    if (regexp == NULL && !mrb_string_p(pattern))
        mrb_raisef(mrb, E_TYPE_ERROR, "wrong argument type %C (expected Regexp)", mrb_obj_class(mrb, pattern));
    finder_go_on(finder, regexp, pattern, frozen_copy(mrb, string));
    if (regexp != NULL)
        search_begin(mrb, &finder->search, regexp, finder->string);
}

static mrb_bool find_plain(struct finder *finder, mrb_int from)
{
    const char *text = finder->search.text;
    size_t length = (size_t)RSTRING_LEN(finder->pattern);
    if (from > finder->search.length)
        return FALSE;
    const char *found =
        (const char *)memmem(text + from, (size_t)(finder->search.length - from), RSTRING_PTR(finder->pattern), length);
    if (found == NULL)
        return FALSE;
    finder->from = found - text;
    finder->to = finder->from + (mrb_int)length;
    return TRUE;
}

mrb_bool finder_next(mrb_state *mrb, struct finder *finder, mrb_int from)
{
    if (finder->regexp == NULL)
        return find_plain(finder, from);
    if (!search_forward(mrb, &finder->search, from))
        return FALSE;
    const OnigRegion *region = &finder->regexp->globals->region;
    finder->from = region->beg[0];
    finder->to = region->end[0] > region->beg[0] ? region->end[0] : region->beg[0];
    return TRUE;
}

mrb_int finder_after(const struct finder *finder)
{
    if (finder->to > finder->from)
        return finder->to;
    return utf8_step(finder->search.text, finder->to, finder->search.length);
}

mrb_value finder_match(mrb_state *mrb, const struct finder *finder)
{
    if (finder->regexp == NULL)
        return match_new_plain(mrb, finder->string, finder->from, finder->to);
    return match_new(mrb, finder->pattern, finder->string, &finder->regexp->globals->region);
}

mrb_value finder_match_again(mrb_state *mrb, struct finder *finder, mrb_int from)
{
    return from >= 0 && finder_next(mrb, finder, from) ? finder_match(mrb, finder) : mrb_nil_value();
}
