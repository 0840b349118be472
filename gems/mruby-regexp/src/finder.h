/*
 * The methods of String look for a Regexp or a String alike.
 */
#ifndef MRUBY_REGEXP_FINDER_H
#define MRUBY_REGEXP_FINDER_H

#include "regexp.h"

struct finder {
    mrb_value pattern, string; /* the string frozen, so that nothing moves */
    struct regexp *regexp;     /* or NULL: a String */
    struct search search;
    mrb_int from, to; /* of what was found, in bytes */
};

/* TypeError when the pattern is neither. */
void finder_begin(mrb_state *mrb, struct finder *finder, mrb_value pattern, mrb_value string);
/* As search_go_on; the pattern was good, too. */
void finder_go_on(struct finder *finder, struct regexp *regexp, mrb_value pattern, mrb_value string);
mrb_bool finder_next(mrb_state *mrb, struct finder *finder, mrb_int from);
/* Where to go on: never twice at an empty match. */
mrb_int finder_after(const struct finder *finder);
/* Of what was found last; of what is found again from there, or nil when it is negative. */
mrb_value finder_match(mrb_state *mrb, const struct finder *finder);
mrb_value finder_match_again(mrb_state *mrb, struct finder *finder, mrb_int from);

#endif
