/* From a script's value to a Rack response. */
#ifndef COWHERD_SCRIPT_ANSWER_H
#define COWHERD_SCRIPT_ANSWER_H

#include <stdbool.h>

#include "rack_exchange.h"

/*
 * Runs the script that exchange->choice has, for exchange->env: the response. From protected code; raises. false: there
 * is no script to run, scripts_refuse answers.
 */
bool script_answer(mrb_state *mrb, struct rack_exchange *exchange, mrb_value *response);

#endif
