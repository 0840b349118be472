/*
 * The gate: decides from the bytes that have come whether a whole, well-formed request head (and, when it is small, its
 * body) is there, before libfcgi or a worker's time is spent on it. Pure: looks at memory, does no I/O, allocates
 * nothing. What it lets through can't reach libfcgi's known crashes (GET_VALUES with many names, name/value lengths
 * whose sum overflows): see the sources in fcgi.h.
 */
#ifndef COWHERD_GATE_H
#define COWHERD_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "strbuf.h"

enum gate_verdict {
    GATE_PARTIAL,    /* wait for more */
    GATE_READY,      /* a request can be served */
    GATE_MANAGEMENT, /* a management record (id 0) stands first: gate_answer, skip `consumed` bytes, ask again */
    GATE_STALE,      /* rest of an earlier request (ABORT, empty STDIN): skip `consumed` bytes, ask again */
    GATE_REFUSED,    /* well-formed, but not for us (role FILTER, a second request id, aborted before it was whole):
                        gate_answer, then close when `close` is set, else skip `consumed` bytes and ask again */
    GATE_MALFORMED,  /* close the connection; `reason` says why */
    GATE_TOO_LARGE,  /* the head passes limits.header: close */
};

struct gate_limits {
    size_t head;       /* most bytes of a head, records included */
    size_t small_body; /* a body up to this size, records included, must be complete before READY; 0: never wait */
};

struct gate_result {
    size_t consumed;       /* MANAGEMENT, STALE, REFUSED */
    size_t head_length;    /* READY: bytes of BEGIN_REQUEST and PARAMS, the empty one included. PARTIAL: the same when
                              only the body is awaited, else 0 */
    size_t request_length; /* READY: head and body when the body is complete, else 0 */
    size_t body_length;    /* READY: bytes of a complete body, without records */
    uint16_t request_id;
    uint16_t role;
    bool keep_connection;
    bool body_complete;
    bool close;              /* REFUSED: what follows can't be told apart from the refused request */
    uint8_t type;            /* MANAGEMENT: the record's type */
    uint8_t protocol_status; /* REFUSED */
    const char *reason;      /* MALFORMED: static text */
};

/* Looks at `length` bytes that start at a record boundary. */
enum gate_verdict gate_inspect(const uint8_t *bytes, size_t length, const struct gate_limits *limits,
                               struct gate_result *result);

/*
 * Appends the answer to what `gate_inspect` called MANAGEMENT (GET_VALUES_RESULT, UNKNOWN_TYPE) or REFUSED
 * (END_REQUEST). `connections` is how many this process takes, for FCGI_MAX_CONNS and FCGI_MAX_REQS.
 */
void gate_answer(const uint8_t *bytes, enum gate_verdict verdict, const struct gate_result *result,
                 unsigned connections, struct strbuf *out);

#endif
