/*
 * Follows the records of one connection as far as it takes to answer a request that nobody serves: where its head is
 * whole, and where its body ends. Keeps of what they carry its parameters only, and those when asked to. Pure.
 */
#ifndef COWHERD_RESPONDER_REQUEST_H
#define COWHERD_RESPONDER_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi_record.h"
#include "strbuf.h"

enum responder_step {
    RESPONDER_MORE,       /* all bytes are used up */
    RESPONDER_ANSWER,     /* the head is whole: answer `request_id`, and go on */
    RESPONDER_MANAGEMENT, /* a management record of `type` began: answer that, and go on */
    RESPONDER_OVER,       /* the answered request's body has ended, or the request was aborted: close */
    RESPONDER_MALFORMED,  /* no FastCGI, or a head of more than `head_max` bytes: close */
};

struct responder_request {
    uint16_t request_id; /* 0: none has begun */
    bool answered;
    uint8_t type;          /* of the record in hand */
    struct strbuf *params; /* the caller's: the content of its PARAMS is put there; NULL: nowhere */
    /* the module's own */
    uint8_t header[FCGI_RECORD_HEADER_SIZE];
    size_t have; /* bytes of it */
    size_t skip; /* bytes of content and padding that are still to come */
    size_t keep; /* the first of them that belong to the parameters */
    size_t head; /* bytes of records before the answer */
};

/* Looks at `length` bytes, up to the next thing to do; *used says how many are done with. */
enum responder_step responder_request_feed(struct responder_request *request, const uint8_t *bytes, size_t length,
                                           size_t head_max, size_t *used);

#endif
