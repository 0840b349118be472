/*
 * One request as the code that answers it sees it, whatever carries it. fcgi.c makes and implements it on libfcgi;
 * rack.c and answer.c use it. Single-threaded; valid until the request is finished.
 */
#ifndef COWHERD_REQUEST_H
#define COWHERD_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct app;
struct request_transport; /* fcgi.c's own */

enum request_role { REQUEST_RESPONDER = 1, REQUEST_AUTHORIZER = 2, REQUEST_FILTER = 3 };

struct request {
    struct request_transport *transport;
    enum request_role role;
    char **params; /* "NAME=value" strings, NULL at the end; borrowed */

    /* the routing, set before the app is called */
    const struct app *app;
    const char *script_name; /* the app's prefix, "" for the root */
    const char
        *app_path; /* path_info as it is for the app as a whole; NULL: the front end of an authorizer has told none */
    const char *path_info; /* what follows it, starts with "/" ("" allowed when the prefix is all); percent-decoded */

    const char *script_path; /* absolute path of the script that answers; NULL: none does */

    int64_t body_limit; /* bytes of STDIN; reading past it fails with EFBIG; 0: none */

    /* the account of the answer, kept by the request_* functions and by who writes the head */
    int64_t received_ns; /* CLOCK_MONOTONIC of the first byte of the head */
    int64_t body_read;   /* bytes of STDIN read so far */
    int status;          /* 0 until a head was written */
    uint64_t body_sent;  /* bytes of the answer's body, without its head */
    bool client_gone;    /* a write failed: the rest is thrown away */
    bool error_answered; /* cowherd answered 5xx in the app's stead, or had to cut the app's answer short */
    bool cut_short;      /* the answer broke off after its head: end the connection without END_REQUEST */
};

/* The value of a parameter, or NULL. When it came twice, the last one counts. */
const char *request_param(const struct request *request, const char *name);

/*
 * Reads up to `length` bytes of the body. 0 at its end. -1 with errno: ETIMEDOUT (timeouts.body), EFBIG (body_limit),
 * ECONNRESET (the client left, or ABORT_REQUEST), EPROTO (a malformed record).
 */
ssize_t request_read(struct request *request, void *buffer, size_t length);

/* The whole body is already here: no read will wait. */
bool request_body_complete(const struct request *request);

/*
 * Writes bytes of the answer (head and body alike; buffered). 0, or -1 with errno EPIPE when the client is gone or too
 * slow; client_gone is then set and later writes do nothing.
 */
int request_write(struct request *request, const void *bytes, size_t length);

/* Sends what is buffered now. As request_write. */
int request_flush(struct request *request);

/* Writes to FCGI_STDERR, for the front end's log. Errors are not reported. */
void request_write_stderr(struct request *request, const void *bytes, size_t length);

#endif
