#include "rack_failure.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <mruby/class.h>
#include <mruby/error.h>

static const struct failure {
    const char *name;
    int error;
    int status;
    const char *text;
} failures[] = {
    { "BodyTooLarge", EFBIG, 413, "the request's body is larger than limits.body" },
    { "BodyTimeout", ETIMEDOUT, 408, "the request's body did not come in time" },
    { "BodyMalformed", EPROTO, 400, "the request's body is not well-formed FastCGI" },
    { "ClientGone", ECONNRESET, 500, "the client has left" },
};
#define FAILURES (sizeof failures / sizeof failures[0])

void rack_failure_define(mrb_state *mrb)
{
    struct RClass *module = mrb_define_module(mrb, "Cowherd");
    struct RClass *error = mrb_define_class_under(mrb, module, "Error", E_STANDARD_ERROR);

    mrb_define_class_under(mrb, module, "RequestTimeout", mrb->eException_class);

    for (size_t i = 0; i < FAILURES; i++)
        mrb_define_class_under(mrb, module, failures[i].name, error);
    mrb_define_class_under(mrb, module, "ResponseError", error);
    if (!mrb_class_defined(mrb, "IOError"))
        mrb_define_class(mrb, "IOError", E_STANDARD_ERROR);
}

static struct RClass *class_named(mrb_state *mrb, const char *name)
{
    return mrb_class_get_under(mrb, mrb_module_get(mrb, "Cowherd"), name);
}

_Noreturn void rack_failure_raise(mrb_state *mrb, int error)
{
    if (error == EPIPE)
        error = ECONNRESET;
    for (size_t i = 0; i < FAILURES; i++) {
        if (failures[i].error == error)
            mrb_raise(mrb, class_named(mrb, failures[i].name), failures[i].text);
    }
    mrb_raisef(mrb, class_named(mrb, "Error"), "%s", strerror(error));
}

struct RClass *rack_response_error_class(mrb_state *mrb)
{
    return class_named(mrb, "ResponseError");
}

int rack_failure_status(mrb_state *mrb, mrb_value exception)
{
    for (size_t i = 0; i < FAILURES; i++) {
        if (mrb_obj_is_kind_of(mrb, exception, class_named(mrb, failures[i].name)))
            return failures[i].status;
    }
    return mrb_obj_is_kind_of(mrb, exception, class_named(mrb, "RequestTimeout")) ? 504 : 500;
}

bool rack_failure_is_client_gone(mrb_state *mrb, mrb_value exception)
{
    return mrb_obj_is_kind_of(mrb, exception, class_named(mrb, "ClientGone"));
}
