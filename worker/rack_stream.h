/*
 * The stream that a callable body is called with: write, <<, flush, read, close, close_read, close_write, closed?.
 * What is written leaves at once. Usable until its request is over.
 */
#ifndef COWHERD_RACK_STREAM_H
#define COWHERD_RACK_STREAM_H

#include "rack_exchange.h"

void rack_stream_define(mrb_state *mrb, struct rack *rack);

/* For the request in hand. */
mrb_value rack_stream_new(mrb_state *mrb, const struct rack *rack);

#endif
