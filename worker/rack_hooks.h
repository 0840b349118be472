/*
 * The hooks of a request: access before the app, log when the answer has left. They run in the app's interpreter with
 * the request's env, and say what they mean in the words of gems/mruby-server-api.
 */
#ifndef COWHERD_RACK_HOOKS_H
#define COWHERD_RACK_HOOKS_H

#include "rack_exchange.h"

/*
 * Runs the app's access hooks for the request. The value is the Rack response of the first that answers; nil: the
 * request goes on to the app. Where nobody else is to answer (an app of hooks alone, the AUTHORIZER role) that is a 200
 * without a body. From protected code: raises what a hook raises.
 */
mrb_value rack_hooks_access(mrb_state *mrb, struct rack_exchange *exchange);

/* Adds to the head what access hooks have set as headers, for an answer that comes from somewhere else. */
void rack_hooks_add_headers(mrb_state *mrb, struct rack_exchange *exchange);

/* The app has log hooks for this request: its env has to be kept until rack_hooks_log. */
bool rack_hooks_log_wanted(const struct app *app, const struct request *request);

/*
 * Runs them, with what came of the request in its env as Strings, by the names of nginx's variables: STATUS,
 * BODY_BYTES_SENT, and REQUEST_TIME (seconds since its first byte came, "0.012"). What they raise is logged.
 */
void rack_hooks_log(const struct app *app, const struct request *request, mrb_value env);

#endif
