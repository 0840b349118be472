/*
 * From a script to a Rack response, by the gem mruby-server-api: what the script has told Server, or what its value
 * means.
 */
#ifndef COWHERD_SCRIPT_ANSWER_H
#define COWHERD_SCRIPT_ANSWER_H

#include <stdbool.h>

#include "rack_exchange.h"

/*
 * Runs the script that exchange->choice has, for exchange->env: the response. From protected code; raises. false: there
 * is no script to run, scripts_refuse answers.
 */
bool script_answer(mrb_state *mrb, struct rack_exchange *exchange, mrb_value *response);

/* The request is over: what Server knows of it is let go. */
void script_answer_end(struct vm *vm);

#endif
