/*
 * Sends a response: the head, then the body by what it is. In this order: an Array of Strings (Content-Length is added
 * when the app gave none); to_path, a file that is read and sent here, its length known; to_ary; each, every chunk
 * leaves at once, and the head with the first one; call(stream), the head leaves before the call. Nothing of a body
 * leaves for HEAD, 204 and 304.
 */
#ifndef COWHERD_RACK_BODY_H
#define COWHERD_RACK_BODY_H

#include "rack_exchange.h"

/* After rack_response_take. Raises what the body raises, ResponseError, or ClientGone. */
void rack_body_send(mrb_state *mrb, struct rack_exchange *exchange);

/* For the stream of a callable body. Both raise ClientGone. */
void rack_body_write(mrb_state *mrb, struct rack_exchange *exchange, const char *bytes, size_t length);
void rack_body_flush(mrb_state *mrb, struct rack_exchange *exchange);

#endif
