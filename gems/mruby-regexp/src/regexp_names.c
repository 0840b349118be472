/*
 * The names of groups.
 */
#include <mruby.h>
#include <mruby/array.h>
#include <mruby/error.h>
#include <mruby/string.h>

#include "regexp.h"

struct collection {
    mrb_state *mrb;
    mrb_value names; /* of [name, [group, ...]], by their first group */
};

static mrb_int first_group(mrb_value pair)
{
    return mrb_integer(RARRAY_PTR(RARRAY_PTR(pair)[1])[0]);
}

static int collect(const OnigUChar *name, const OnigUChar *end, int count, int *groups, regex_t *compiled, void *data)
{
    struct collection *collection = (struct collection *)data;
    mrb_state *mrb = collection->mrb;
    mrb_value numbers = mrb_ary_new_capa(mrb, count);
    mrb_value pair = mrb_assoc_new(mrb, mrb_str_new(mrb, (const char *)name, end - name), numbers);

    (void)compiled;
    for (int i = 0; i < count; i++)
        mrb_ary_push(mrb, numbers, mrb_fixnum_value(groups[i]));
    mrb_int at = RARRAY_LEN(collection->names);
    mrb_ary_push(mrb, collection->names, pair);
    for (; at > 0 && first_group(RARRAY_PTR(collection->names)[at - 1]) > groups[0]; at--)
        mrb_ary_set(mrb, collection->names, at, RARRAY_PTR(collection->names)[at - 1]);
    mrb_ary_set(mrb, collection->names, at, pair);
    return 0;
}

mrb_value regexp_name_groups(mrb_state *mrb, const struct regexp *regexp)
{
    struct collection collection = { mrb, mrb_ary_new(mrb) };
    if (onig_number_of_names(regexp->compiled) > 0)
        onig_foreach_name(regexp->compiled, collect, &collection);
    return collection.names;
}

int regexp_group_named(mrb_state *mrb, const struct match *match, const char *name, mrb_int length)
{
    const struct regexp *regexp = regexp_of(mrb, match->regexp);
    int *groups = NULL;
    int count = 0;

    if (regexp != NULL)
        count = onig_name_to_group_numbers(regexp->compiled, (const OnigUChar *)name, (const OnigUChar *)name + length,
                                           &groups);
    if (count <= 0)
        mrb_raisef(mrb, E_INDEX_ERROR, "undefined group name reference: %l", name, (size_t)length);
    /* Of several groups with this name, the last one that took part. */
    for (int i = count - 1; i > 0; i--)
        if (groups[i] < match->count && match->spans[groups[i]].from >= 0)
            return groups[i];
    return groups[0];
}
