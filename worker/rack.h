/*
 * Rack (SPEC of Rack 3): the env, the call, the response. One request in, one whole answer out; an exception is a 500
 * with the backtrace in the log, never an empty reply.
 */
#ifndef COWHERD_RACK_H
#define COWHERD_RACK_H

#include <mruby.h>

#include "app.h"
#include "request.h"
#include "strbuf.h"

/* Defines what rack.c needs in an interpreter (Rack input, errors, stream; frozen env keys). Once per interpreter. */
void rack_define(struct vm *vm);

/*
 * Loads a rackup file: `run`, `use`, `map` (Rack::Builder of the gem mruby-rack), or a file whose last expression
 * responds to call. true: *callable is the app, registered with the collector. false: `error` has the description.
 */
bool rack_load(struct vm *vm, const char *path, mrb_value *callable, struct strbuf *error);

/*
 * After rack_serve, when the answer has left: the log hooks of the app, for which the request still counts as in hand.
 */
void rack_finish(const struct app *app, struct request *request);

/* The last match ($~) keeps its String until there is another one: at the end of loading and of each request, none is
 * kept. */
void rack_forget_match(struct vm *vm);

/* Answers. The working directory is the app's root. request->app, script_name and path_info are set. */
void rack_serve(const struct app *app, struct request *request, bool show_errors);

#endif
