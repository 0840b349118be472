/*
 * The env: FastCGI's parameters as Rack wants them. The usual names are frozen Strings made once for an interpreter,
 * found by a small hash table: an env of 25 entries takes about 1.5 microseconds, and nothing that a request brings
 * becomes a symbol.
 *
 * A parameter that comes twice: the last one counts. Dropped: Proxy (HTTP_PROXY: httpoxy), HTTP_CONTENT_TYPE,
 * HTTP_CONTENT_LENGTH and HTTP_VERSION (Rack has other names for them), an empty CONTENT_TYPE, a CONTENT_LENGTH that
 * is no number (caddy sends -1), and whatever calls itself "rack." something. SCRIPT_NAME and PATH_INFO come from the
 * routing, never from the front end. Always there: REQUEST_METHOD, SCRIPT_NAME, PATH_INFO, QUERY_STRING, SERVER_NAME,
 * SERVER_PORT, SERVER_PROTOCOL, SERVER_SOFTWARE, rack.url_scheme, rack.input, rack.errors, rack.response_finished,
 * rack.multithread (false), rack.multiprocess (true), rack.run_once (false).
 */
#ifndef COWHERD_RACK_ENV_H
#define COWHERD_RACK_ENV_H

#include "rack_exchange.h"

/* Makes the names. Once per interpreter, from protected code. */
void rack_env_define(mrb_state *mrb, struct rack *rack);

/* A new env for the request in hand, with exchange->input and exchange->finished in it. */
mrb_value rack_env_new(mrb_state *mrb, struct rack_exchange *exchange);

#endif
