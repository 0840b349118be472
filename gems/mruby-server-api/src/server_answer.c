#include <stdbool.h>
#include <string.h>

#include <mruby.h>
#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/error.h>
#include <mruby/hash.h>
#include <mruby/server_api.h>
#include <mruby/string.h>

#include "server_state.h"

/* What Server.return takes beside a status: nginx's own codes. */
enum code { CODE_OK = 0, CODE_ABORT = -6, CODE_DECLINED = -5, CODE_DONE = -4 };

#define STATUS_DECLINED 404 /* of a script that says DECLINED: nobody else is there to answer */
#define STATUS_FAILED 500   /* for ERROR, AGAIN, BUSY and ABORT */

static void empty(mrb_value state, enum server_slot slot)
{
    if (!mrb_nil_p(server_get(state, slot)))
        server_set_immediate(state, slot, mrb_nil_value());
}

static void empty_request(mrb_value state)
{
    for (int slot = SLOT_STATUS; slot <= SLOT_INPUT; slot++)
        empty(state, (enum server_slot)slot);
}

static void next_serial(mrb_value state)
{
    mrb_int serial = mrb_integer(server_get(state, SLOT_SERIAL));

    server_set_immediate(state, SLOT_SERIAL, mrb_fixnum_value((serial + 1) & 0x3fffffff));
}

/* --- Around a script or hook --- */

static void enter(mrb_state *mrb, mrb_value state, mrb_value env)
{
    mrb_value current = server_get(state, SLOT_ENV);

    if (!mrb_hash_p(env))
        mrb_raisef(mrb, E_TYPE_ERROR, "the env must be a Hash, not %Y", env);
    if (mrb_nil_p(current) || mrb_ptr(current) != mrb_ptr(env)) {
        server_set(mrb, state, SLOT_ENV, env);
        next_serial(state);
        empty_request(state);
        server_set_flags(state, FLAG_RUNNING);
    } else {
        server_set_flags(state, (server_flags(state) & FLAG_ANSWERED) | FLAG_RUNNING);
    }
}

static mrb_value server_enter(mrb_state *mrb, mrb_value self)
{
    enter(mrb, server_state(mrb), mrb_get_arg1(mrb));
    return self;
}

static void clear(mrb_value state)
{
    if (!mrb_nil_p(server_get(state, SLOT_ENV)))
        next_serial(state);
    empty(state, SLOT_ENV);
    empty_request(state);
    server_set_flags(state, 0);
}

static mrb_value server_clear(mrb_state *mrb, mrb_value self)
{
    clear(server_state(mrb));
    return self;
}

static mrb_value headers_for(mrb_state *mrb, mrb_value state, mrb_value env)
{
    mrb_value headers = server_get(state, SLOT_HEADERS);

    if (mrb_nil_p(headers) || (server_flags(state) & FLAG_ANSWERED) || mrb_hash_empty_p(mrb, headers) ||
        !mrb_obj_equal(mrb, env, server_get(state, SLOT_ENV)))
        return mrb_nil_value();
    return headers;
}

static mrb_value server_headers_for(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return headers_for(mrb, server_state(mrb), mrb_get_arg1(mrb));
}

static mrb_value server_serial(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return server_current_serial(mrb, server_state(mrb));
}

static mrb_value server_serving(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return mrb_bool_value(!mrb_nil_p(server_get(server_state(mrb), SLOT_ENV)));
}

/* The env of the request with that serial. */
static mrb_value server_env(mrb_state *mrb, mrb_value self)
{
    mrb_value state = server_state(mrb);

    (void)self;
    server_check_serial(mrb, state, mrb_get_arg1(mrb));
    return server_get(state, SLOT_ENV);
}

/* --- What a script tells --- */

static void tell(mrb_value state, mrb_int flags)
{
    server_set_flags(state, server_flags(state) | FLAG_TOLD | flags);
}

static void append(mrb_state *mrb, mrb_value state, bool line_break)
{
    mrb_value text = mrb_obj_as_string(mrb, mrb_get_arg1(mrb));
    mrb_int length = RSTRING_LEN(text);
    mrb_value body = server_get(state, SLOT_BODY);

    if (mrb_nil_p(body)) {
        body = mrb_str_new(mrb, NULL, length + line_break);
        memcpy(RSTRING_PTR(body), RSTRING_PTR(text), (size_t)length);
        if (line_break)
            RSTRING_PTR(body)[length] = '\n';
        server_set(mrb, state, SLOT_BODY, body);
    } else {
        mrb_str_cat_str(mrb, body, text);
        if (line_break)
            mrb_str_cat_lit(mrb, body, "\n");
    }
    tell(state, FLAG_ANSWER);
}

static mrb_value server_echo(mrb_state *mrb, mrb_value self)
{
    append(mrb, server_running(mrb), true);
    return self;
}

static mrb_value server_rputs(mrb_state *mrb, mrb_value self)
{
    append(mrb, server_running(mrb), false);
    return self;
}

static void set_status(mrb_state *mrb, mrb_value state, mrb_int status)
{
    if (status < 200 || status > 999)
        mrb_raisef(mrb, E_ARGUMENT_ERROR, "%i can't be the status of an answer", status);
    server_set_immediate(state, SLOT_STATUS, mrb_fixnum_value(status));
    tell(state, FLAG_ANSWER);
}

static void set_code(mrb_state *mrb, mrb_value state, mrb_int code)
{
    switch (code) {
    case CODE_OK: tell(state, FLAG_PASS); break;
    case CODE_DECLINED: tell(state, FLAG_PASS | FLAG_DECLINED); break;
    case CODE_DONE: tell(state, FLAG_ANSWER); break;
    default: set_status(mrb, state, code < 0 && code >= CODE_ABORT ? STATUS_FAILED : code);
    }
}

static mrb_value server_return(mrb_state *mrb, mrb_value self)
{
    mrb_value state = server_running(mrb);
    mrb_int code;

    mrb_get_args(mrb, "i", &code);
    set_code(mrb, state, code);
    mrb_exc_raise(mrb, mrb_exc_new_lit(mrb, mrb_class_ptr(server_get(state, SLOT_ENDED)),
                                       "Server.return was called where nothing can be ended"));
    return self;
}

static mrb_value server_set_status(mrb_state *mrb, mrb_value self)
{
    mrb_value state = server_running(mrb);
    mrb_int code;

    (void)self;
    mrb_get_args(mrb, "i", &code);
    set_code(mrb, state, code);
    return mrb_fixnum_value(code);
}

static mrb_value server_status(mrb_state *mrb, mrb_value self)
{
    mrb_value state = server_state(mrb);
    mrb_value status = server_get(state, SLOT_STATUS);

    (void)self;
    server_current_serial(mrb, state);
    return mrb_nil_p(status) ? mrb_fixnum_value(200) : status;
}

static mrb_value server_redirect(mrb_state *mrb, mrb_value self)
{
    mrb_value state = server_running(mrb);
    mrb_value location;
    mrb_int status = 302;

    mrb_get_args(mrb, "o|i", &location, &status);
    location = mrb_obj_as_string(mrb, location);
    if (RSTRING_LEN(location) == 0)
        mrb_raise(mrb, E_ARGUMENT_ERROR, "redirect needs an address");
    if (status < 300 || status > 399)
        mrb_raisef(mrb, E_ARGUMENT_ERROR, "%i is no status of a redirection", status);
    server_put_header(mrb, state, mrb_str_new_lit(mrb, "location"), location);
    set_status(mrb, state, status);
    return self;
}

/* --- The answer --- */

static bool has_no_body(mrb_int status)
{
    return status == 204 || status == 304;
}

/* "403 Forbidden\n", for an error that nobody said a word of. */
static mrb_value error_text(mrb_state *mrb, mrb_int status)
{
    const char *reason = server_reason(status);

    return mrb_format(mrb, "%i%s%s\n", status, reason != NULL ? " " : "", reason != NULL ? reason : "");
}

static mrb_value response(mrb_state *mrb, mrb_value state, mrb_int status, mrb_value headers, mrb_value body)
{
    mrb_value parts[] = { mrb_fixnum_value(status), headers, mrb_nil_value() };

    parts[2] = mrb_nil_p(body) ? mrb_ary_new_capa(mrb, 0) : mrb_ary_new_from_values(mrb, 1, &body);
    server_set_flags(state, (server_flags(state) & ~FLAG_RUNNING) | FLAG_ANSWERED);
    return mrb_ary_new_from_values(mrb, 3, parts);
}

/* What was told, and what earlier hooks told of headers. */
static mrb_value told_response(mrb_state *mrb, mrb_value state)
{
    mrb_value status = server_get(state, SLOT_STATUS);
    mrb_value headers = server_get(state, SLOT_HEADERS);
    mrb_value body = server_get(state, SLOT_BODY);
    mrb_int number = mrb_nil_p(status) ? 200 : mrb_integer(status);

    if (mrb_nil_p(status) && mrb_nil_p(body) && (server_flags(state) & FLAG_DECLINED))
        number = STATUS_DECLINED;
    if (has_no_body(number))
        body = mrb_nil_value();
    else if (mrb_nil_p(body) && number >= 400)
        body = error_text(mrb, number);

    if (mrb_nil_p(headers)) {
        headers = mrb_nil_p(body) ? mrb_hash_new_capa(mrb, 0) : mrb_hash_dup(mrb, server_get(state, SLOT_TYPE));
    } else if (!mrb_nil_p(body)) {
        mrb_value name = mrb_str_new_lit(mrb, "content-type");
        if (!mrb_hash_key_p(mrb, headers, name))
            mrb_hash_set(mrb, headers, name, mrb_hash_get(mrb, server_get(state, SLOT_TYPE), name));
    }
    return response(mrb, state, number, headers, body);
}

static bool responds_to_call(mrb_state *mrb, mrb_value state, mrb_value value)
{
    mrb_sym call = mrb_symbol(server_get(state, SLOT_CALL));

    if (mrb_immediate_p(value) || mrb_array_p(value) || mrb_string_p(value))
        return false;
    return mrb_respond_to(mrb, value, call) ||
           mrb_test(mrb_funcall_id(mrb, value, mrb_symbol(server_get(state, SLOT_RESPOND)), 1, mrb_symbol_value(call)));
}

static bool is_response(mrb_value value)
{
    return mrb_array_p(value) && RARRAY_LEN(value) == 3 && mrb_integer_p(RARRAY_PTR(value)[0]);
}

/* `value` is itself a response, or makes one: then true. */
static bool take_response(mrb_state *mrb, mrb_value state, mrb_value *value)
{
    if (is_response(*value))
        return true;
    if (!responds_to_call(mrb, state, *value))
        return false;
    *value = mrb_funcall_id(mrb, *value, mrb_symbol(server_get(state, SLOT_CALL)), 1, server_get(state, SLOT_ENV));
    return true;
}

static mrb_value leave_content(mrb_state *mrb, mrb_value state, mrb_value value)
{
    if (!(server_flags(state) & FLAG_TOLD) && take_response(mrb, state, &value))
        return value;
    return told_response(mrb, state);
}

/* Passing forgets what was said, but for the headers. */
static mrb_value pass(mrb_state *mrb, mrb_value state)
{
    empty(state, SLOT_STATUS);
    empty(state, SLOT_BODY);
    return mrb_nil_value();
}

static mrb_value leave_access(mrb_state *mrb, mrb_value state, mrb_value value)
{
    mrb_int flags = server_flags(state);

    if (flags & FLAG_PASS)
        return pass(mrb, state);
    if (flags & FLAG_ANSWER)
        return told_response(mrb, state);
    if (!take_response(mrb, state, &value) || (is_response(value) && mrb_integer(RARRAY_PTR(value)[0]) == 399))
        return pass(mrb, state);
    return value;
}

static mrb_value leave(mrb_state *mrb, mrb_value state, mrb_value value, enum mrb_server_phase phase)
{
    server_current_serial(mrb, state);
    server_set_flags(state, server_flags(state) & ~FLAG_RUNNING);
    switch (phase) {
    case MRB_SERVER_CONTENT: return leave_content(mrb, state, value);
    case MRB_SERVER_ACCESS: return leave_access(mrb, state, value);
    default: return pass(mrb, state);
    }
}

static mrb_value server_leave(mrb_state *mrb, mrb_value self)
{
    mrb_value state = server_state(mrb);
    mrb_value value;
    mrb_sym name;
    enum mrb_server_phase phase = MRB_SERVER_LOG;

    (void)self;
    mrb_get_args(mrb, "on", &value, &name);
    if (name == mrb_symbol(server_get(state, SLOT_CONTENT)))
        phase = MRB_SERVER_CONTENT;
    else if (name == mrb_symbol(server_get(state, SLOT_ACCESS)))
        phase = MRB_SERVER_ACCESS;
    else if (name != mrb_symbol(server_get(state, SLOT_LOG_PHASE)))
        mrb_raisef(mrb, E_ARGUMENT_ERROR, "%n is no phase", name);
    return leave(mrb, state, mrb_exception_p(value) ? mrb_nil_value() : value, phase);
}

mrb_value mrb_server_run(mrb_state *mrb, mrb_value env, enum mrb_server_phase phase,
                         mrb_value (*body)(mrb_state *mrb, void *data), void *data)
{
    mrb_value state = server_state_of(mrb);
    mrb_bool raised = FALSE;

    enter(mrb, state, env);
    mrb_value value = mrb_protect_error(mrb, body, data, &raised);
    if (raised) {
        if (!mrb_obj_is_kind_of(mrb, value, mrb_class_ptr(server_get(state, SLOT_ENDED))))
            mrb_exc_raise(mrb, value);
        value = mrb_nil_value();
    }
    return leave(mrb, state, value, phase);
}

void mrb_server_clear(mrb_state *mrb)
{
    clear(server_state_of(mrb));
}

mrb_value mrb_server_headers_for(mrb_state *mrb, mrb_value env)
{
    return headers_for(mrb, server_state_of(mrb), env);
}

void server_define_answer(mrb_state *mrb, struct RClass *server, mrb_value state)
{
    static const struct {
        const char *name;
        mrb_func_t function;
    } methods[] = {
        { "enter", server_enter },
        { "leave", server_leave },
        { "clear", server_clear },
        { "headers_for", server_headers_for },
        { "__serial", server_serial },
        { "__serving?", server_serving },
        { "__env", server_env },
        { "echo", server_echo },
        { "rputs", server_rputs },
        { "return", server_return },
        { "send_header", server_set_status },
        { "status_code", server_status },
        { "status_code=", server_set_status },
        { "redirect", server_redirect },
    };

    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        server_define_class_method(mrb, server, methods[i].name, methods[i].function, state);
}
