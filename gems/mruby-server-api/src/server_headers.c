#include <stdbool.h>
#include <string.h>

#include <mruby.h>
#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/hash.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include "server_state.h"

/* RFC 9110, 5.6.2: a name is of these. */
static bool is_token(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)name[i];
        if (byte <= ' ' || byte >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", byte) != NULL)
            return false;
    }
    return length > 0;
}

static mrb_value checked_name(mrb_state *mrb, mrb_value name)
{
    name = mrb_obj_as_string(mrb, name);
    if (!is_token(RSTRING_PTR(name), (size_t)RSTRING_LEN(name)))
        mrb_raisef(mrb, E_ARGUMENT_ERROR, "%!v can't be the name of a header", name);

    mrb_value lower = mrb_str_new(mrb, RSTRING_PTR(name), RSTRING_LEN(name));
    char *bytes = RSTRING_PTR(lower);
    for (mrb_int i = 0; i < RSTRING_LEN(lower); i++)
        if (bytes[i] >= 'A' && bytes[i] <= 'Z')
            bytes[i] |= 0x20;
    return lower;
}

/* A copy, so that what is written into the String later was looked at, too. */
static mrb_value checked_value(mrb_state *mrb, mrb_value name, mrb_value value)
{
    value = mrb_obj_as_string(mrb, value);
    for (mrb_int i = 0; i < RSTRING_LEN(value); i++) {
        unsigned char byte = (unsigned char)RSTRING_PTR(value)[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            mrb_raisef(mrb, E_ARGUMENT_ERROR, "the value of the header %v has a control byte or a line break", name);
    }
    return mrb_str_new(mrb, RSTRING_PTR(value), RSTRING_LEN(value));
}

mrb_value server_headers(mrb_state *mrb, mrb_value state)
{
    mrb_value headers = server_get(state, SLOT_HEADERS);

    if (mrb_nil_p(headers)) {
        headers = mrb_hash_new(mrb);
        server_set(mrb, state, SLOT_HEADERS, headers);
    }
    return headers;
}

void server_put_header(mrb_state *mrb, mrb_value state, mrb_value name, mrb_value value)
{
    name = checked_name(mrb, name);
    if (mrb_nil_p(value)) {
        mrb_hash_delete_key(mrb, server_headers(mrb, state), name);
        return;
    }
    if (mrb_array_p(value)) {
        mrb_value values = mrb_ary_new_capa(mrb, RARRAY_LEN(value));
        for (mrb_int i = 0; i < RARRAY_LEN(value); i++)
            mrb_ary_push(mrb, values, checked_value(mrb, name, RARRAY_PTR(value)[i]));
        value = values;
    } else {
        value = checked_value(mrb, name, value);
    }
    mrb_hash_set(mrb, server_headers(mrb, state), name, value);
    server_set_flags(state, server_flags(state) | FLAG_TOLD);
}

static mrb_value headers_initialize(mrb_state *mrb, mrb_value self)
{
    mrb_iv_set(mrb, self, mrb_intern_lit(mrb, "serial"), server_current_serial(mrb, server_state(mrb)));
    return self;
}

static mrb_value own_state(mrb_state *mrb, mrb_value self)
{
    mrb_value state = server_state(mrb);

    server_check_serial(mrb, state, mrb_iv_get(mrb, self, mrb_intern_lit(mrb, "serial")));
    return state;
}

static mrb_value headers_get(mrb_state *mrb, mrb_value self)
{
    mrb_value name = mrb_get_arg1(mrb);
    mrb_value headers = server_get(own_state(mrb, self), SLOT_HEADERS);

    return mrb_nil_p(headers) ? headers : mrb_hash_get(mrb, headers, checked_name(mrb, name));
}

static mrb_value headers_set(mrb_state *mrb, mrb_value self)
{
    mrb_value name, value;

    mrb_get_args(mrb, "oo", &name, &value);
    own_state(mrb, self);
    server_put_header(mrb, server_running(mrb), name, value);
    return value;
}

static mrb_value headers_delete(mrb_state *mrb, mrb_value self)
{
    mrb_value state = server_running(mrb);
    mrb_value name = mrb_get_arg1(mrb);

    own_state(mrb, self);
    return mrb_hash_delete_key(mrb, server_headers(mrb, state), checked_name(mrb, name));
}

static mrb_value headers_all(mrb_state *mrb, mrb_value self)
{
    mrb_value headers = server_get(own_state(mrb, self), SLOT_HEADERS);

    return mrb_nil_p(headers) ? mrb_hash_new(mrb) : mrb_hash_dup(mrb, headers);
}

static mrb_value header_name(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return checked_name(mrb, mrb_get_arg1(mrb));
}

void server_define_headers(mrb_state *mrb, struct RClass *server, mrb_value state)
{
    struct RClass *class = mrb_define_class_under(mrb, server, "Headers_out", mrb->object_class);

    server_define_class_method(mrb, server, "__header_name", header_name, state);
    server_define(mrb, class, "initialize", headers_initialize, state);
    server_define(mrb, class, "[]", headers_get, state);
    server_define(mrb, class, "[]=", headers_set, state);
    server_define(mrb, class, "delete", headers_delete, state);
    server_define(mrb, class, "all", headers_all, state);
}
