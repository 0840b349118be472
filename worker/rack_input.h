/*
 * rack.input: read([length[, buffer]]), gets, each, close. Reads STDIN piecewise as the app asks and keeps at most one
 * small buffer; errors are Cowherd's exceptions (rack_failure.h). Usable until its request is over.
 */
#ifndef COWHERD_RACK_INPUT_H
#define COWHERD_RACK_INPUT_H

#include "rack_exchange.h"

void rack_input_define(mrb_state *mrb, struct rack *rack);

/* For the request in hand. */
mrb_value rack_input_new(mrb_state *mrb, const struct rack *rack);

/* `read` with the arguments of the method that is running: for the stream of a callable body. */
mrb_value rack_input_read(mrb_state *mrb, mrb_value input);
mrb_value rack_input_close(mrb_state *mrb, mrb_value input);

#endif
