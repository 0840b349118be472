#include <string.h>

#include <mruby.h>
#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/string.h>

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
    static const char digits[] = "0123456789ABCDEF";
    const char *text;
    mrb_int length;
    mrb_bool form;

    (void)self;
    mrb_get_args(mrb, "sb", &text, &length, &form);
    mrb_value encoded = mrb_str_new_capa(mrb, length + length / 4);
    for (mrb_int i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if ((byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
            (byte != 0 && strchr("*-._", byte) != NULL))
            mrb_str_cat(mrb, encoded, (char[]){ (char)byte }, 1);
        else if (byte == ' ' && form)
            mrb_str_cat_lit(mrb, encoded, "+");
        else
            mrb_str_cat(mrb, encoded, (char[]){ '%', digits[byte >> 4], digits[byte & 15] }, 3);
    }
    return encoded;
}

static int hex_value(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* (text, form); nil: a % without two digits. */
static mrb_value uri_s_decode(mrb_state *mrb, mrb_value self)
{
    const char *text;
    mrb_int length;
    mrb_bool form;

    (void)self;
    mrb_get_args(mrb, "sb", &text, &length, &form);
    mrb_value decoded = mrb_str_new_capa(mrb, length);
    for (mrb_int i = 0; i < length; i++) {
        char byte = text[i];
        if (byte == '+' && form) {
            byte = ' ';
        } else if (byte == '%') {
            int high = length - i > 2 ? hex_value(text[i + 1]) : -1;
            int low = high != -1 ? hex_value(text[i + 2]) : -1;
            if (low == -1)
                return mrb_nil_value();
            byte = (char)(high << 4 | low);
            i += 2;
        }
        mrb_str_cat(mrb, decoded, &byte, 1);
    }
    return decoded;
}

void mrb_mruby_uri_gem_init(mrb_state *mrb)
{
    struct RClass *uri = mrb_define_module(mrb, "URI");

    mrb_define_module_function(mrb, uri, "_split", uri_s_split, MRB_ARGS_REQ(1));
    mrb_define_module_function(mrb, uri, "_encode", uri_s_encode, MRB_ARGS_REQ(2));
    mrb_define_module_function(mrb, uri, "_decode", uri_s_decode, MRB_ARGS_REQ(2));
}

void mrb_mruby_uri_gem_final(mrb_state *mrb)
{
    (void)mrb;
}
