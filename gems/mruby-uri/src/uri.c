#include <mruby.h>
#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/string.h>

#include "percent_coding.h"
#include "uri_split.h"

void mrb_mruby_uri_gem_init(mrb_state *mrb);
void mrb_mruby_uri_gem_final(mrb_state *mrb);

static void push_part(mrb_state *mrb, mrb_value array, struct uri_part part)
{
    mrb_ary_push(mrb, array, part.text != NULL ? mrb_str_new(mrb, part.text, (mrb_int)part.length) : mrb_nil_value());
}

/* [scheme, userinfo, host, port, path, opaque, query, fragment], or nil. */
static mrb_value uri_s_split(mrb_state *mrb, mrb_value self)
{
    struct uri_parts parts;
    const char *text;
    mrb_int length;

    (void)self;
    mrb_get_args(mrb, "s", &text, &length);
    if (!uri_split(text, (size_t)length, &parts))
        return mrb_nil_value();
    mrb_value array = mrb_ary_new_capa(mrb, 8);
    push_part(mrb, array, parts.scheme);
    push_part(mrb, array, parts.userinfo);
    push_part(mrb, array, parts.host);
    push_part(mrb, array, parts.port);
    push_part(mrb, array, parts.path);
    push_part(mrb, array, parts.opaque);
    push_part(mrb, array, parts.query);
    push_part(mrb, array, parts.fragment);
    return array;
}

/* (text, form): a form's space is a +. */
static mrb_value uri_s_encode(mrb_state *mrb, mrb_value self)
{
    const char *text, *kept = "*-._";
    mrb_int length;
    mrb_bool form;

    (void)self;
    mrb_get_args(mrb, "sb|z", &text, &length, &form, &kept);
    if (length > MRB_INT_MAX / 3)
        mrb_raise(mrb, E_ARGUMENT_ERROR, "string too long");
    mrb_value encoded = mrb_str_new(mrb, NULL, length * 3);
    size_t size = percent_encode(RSTRING_PTR(encoded), text, (size_t)length, kept, form);
    return mrb_str_resize(mrb, encoded, (mrb_int)size);
}

/* (text, form, tolerant = false); nil: a % without two digits, which stands for itself where that is tolerated. */
static mrb_value uri_s_decode(mrb_state *mrb, mrb_value self)
{
    const char *text;
    mrb_int length;
    mrb_bool form, tolerant = FALSE;

    (void)self;
    mrb_get_args(mrb, "sb|b", &text, &length, &form, &tolerant);
    mrb_value decoded = mrb_str_new(mrb, NULL, length);
    unsigned how = (form ? PERCENT_FORM : 0) | (tolerant ? PERCENT_TOLERANT : 0);
    size_t size = percent_decode(RSTRING_PTR(decoded), text, (size_t)length, how);
    if (size == PERCENT_BROKEN)
        return mrb_nil_value();
    return mrb_str_resize(mrb, decoded, (mrb_int)size);
}

void mrb_mruby_uri_gem_init(mrb_state *mrb)
{
    struct RClass *uri = mrb_define_module(mrb, "URI");

    mrb_define_module_function(mrb, uri, "_split", uri_s_split, MRB_ARGS_REQ(1));
    mrb_define_module_function(mrb, uri, "_encode", uri_s_encode, MRB_ARGS_ARG(2, 1));
    mrb_define_module_function(mrb, uri, "_decode", uri_s_decode, MRB_ARGS_ARG(2, 1));
}

void mrb_mruby_uri_gem_final(mrb_state *mrb)
{
    (void)mrb;
}
