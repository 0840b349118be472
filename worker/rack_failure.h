/*
 * Exceptions of cowherd's own, below Cowherd::Error (a StandardError):
 *   Cowherd::BodyTooLarge   413  limits.body was passed while the app read rack.input
 *   Cowherd::BodyTimeout    408  the body was not complete within timeouts.body
 *   Cowherd::BodyMalformed  400  the front end sent a malformed record
 *   Cowherd::ResponseError  500  what the app returned is no Rack response
 *   Cowherd::ClientGone          the client left while the app read or wrote: nobody to answer, nothing to log
 * and, not below Error, for no rescue of StandardError is to catch it:
 *   Cowherd::RequestTimeout 504  the request has run for longer than timeouts.request (time_out.h)
 * The status is what the client gets when an app lets one escape before its answer has begun.
 */
#ifndef COWHERD_RACK_FAILURE_H
#define COWHERD_RACK_FAILURE_H

#include <stdbool.h>

#include <mruby.h>

void rack_failure_define(mrb_state *mrb);

/* Raises what stands for an errno of request_read or request_write. */
_Noreturn void rack_failure_raise(mrb_state *mrb, int error);

/* Raises ResponseError; `format` as in mrb_format. */
#define rack_response_error(mrb, ...) mrb_raisef(mrb, rack_response_error_class(mrb), __VA_ARGS__)
struct RClass *rack_response_error_class(mrb_state *mrb);

/* 500 for any exception that is not above. */
int rack_failure_status(mrb_state *mrb, mrb_value exception);
bool rack_failure_is_client_gone(mrb_state *mrb, mrb_value exception);

#endif
