/*
 * The head of a response, checked: nothing an app returns can forge a header line.
 *
 * Status: an Integer from 200 to 999, or (as in Rack 2) a String of three digits; 1xx can't travel as a final answer
 * over FastCGI and is refused. Headers: a Hash or anything whose `each` yields pairs. Names are tokens (RFC 9110) in
 * any case; those that start with "rack." are the server's and don't leave, "Status" neither, nor the hop-by-hop ones,
 * which are the front end's (RFC 3875, 6.3.4). A value is a String, in which line breaks separate several values
 * (Rack 2), an Array of Strings, or an Integer; nil leaves the header out. Control bytes are refused.
 */
#ifndef COWHERD_RACK_RESPONSE_H
#define COWHERD_RACK_RESPONSE_H

#include "rack_exchange.h"

/*
 * Takes [status, headers, body] apart: sets status, headers, body, head, has_length, length and bodiless. Raises
 * Cowherd::ResponseError; body is set when there was one, so that it can be closed.
 */
void rack_response_take(mrb_state *mrb, struct rack_exchange *exchange, mrb_value response);

/*
 * Adds those of `headers` (as above; nil: none) that the head has not yet, and each of Set-Cookie. After
 * rack_response_take.
 */
void rack_response_add(mrb_state *mrb, struct rack_exchange *exchange, mrb_value headers);

#endif
