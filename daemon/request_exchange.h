/*
 * One FastCGI request to any responder, over a connection of its own: what `cowherd request` does once it knows what to
 * send.
 */
#ifndef COWHERD_REQUEST_EXCHANGE_H
#define COWHERD_REQUEST_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "strbuf.h"

struct request_exchange {
    const char *address;         /* "host:port", "[v6]:port", else a unix socket's path */
    const struct strbuf *params; /* name/value pairs, encoded */
    const char *body;
    size_t body_length;
    bool authorizer;      /* the role that it is asked in; else RESPONDER */
    bool keep_connection; /* asks the responder to keep it; it is closed all the same */
    int64_t timeout_ns;   /* without a byte going either way */
    FILE *out;            /* the answer (FCGI_STDOUT), as it comes */
    FILE *errors;         /* FCGI_STDERR, as it comes */
};

/*
 * Sends and receives until the responder has ended the request. 0: the answer is complete. -1 with a message in
 * `error`; what had arrived by then is written.
 */
int request_exchange(const struct request_exchange *exchange, char *error, size_t size);

#endif
