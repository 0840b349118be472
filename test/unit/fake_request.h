/*
 * A request without a connection: the request_* functions over memory. Include in one file of a test.
 */
#ifndef COWHERD_TEST_FAKE_REQUEST_H
#define COWHERD_TEST_FAKE_REQUEST_H

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "request.h"
#include "request_param.h"
#include "strbuf.h"

#define FAKE_PARAMS_MAX 64

struct request_transport {
    struct strbuf out; /* everything written */
    size_t flushed;    /* length of `out` at the last flush */
    unsigned flushes;
    const char *body;
    size_t body_length;
    size_t piece;       /* most bytes a read returns; 0: all */
    int read_error;     /* errno of the read behind the body's bytes; 0: the end */
    size_t write_limit; /* the client leaves after so many bytes; 0: never */
    char *params[FAKE_PARAMS_MAX + 1];
    size_t param_count;
};

static inline void fake_param(struct request_transport *transport, const char *param)
{
    if (transport->param_count == FAKE_PARAMS_MAX)
        abort();
    transport->params[transport->param_count++] = strdup(param);
}

static inline void fake_clear(struct request_transport *transport)
{
    for (size_t i = 0; i < transport->param_count; i++)
        free(transport->params[i]);
    strbuf_free(&transport->out);
    memset(transport, 0, sizeof *transport);
}

ssize_t request_read(struct request *request, void *buffer, size_t length)
{
    struct request_transport *transport = request->transport;
    size_t offset = (size_t)request->body_read;
    size_t left = transport->body_length - offset;

    if (request->body_limit > 0 && request->body_read >= request->body_limit && left > 0) {
        errno = EFBIG;
        return -1;
    }
    if (length > left)
        length = left;
    if (transport->piece > 0 && length > transport->piece)
        length = transport->piece;
    if (length == 0 && transport->read_error != 0) {
        errno = transport->read_error;
        return -1;
    }
    if (length > 0)
        memcpy(buffer, transport->body + offset, length);
    request->body_read += (int64_t)length;
    return (ssize_t)length;
}

bool request_body_complete(const struct request *request)
{
    return request->transport->read_error == 0;
}

int request_write(struct request *request, const void *bytes, size_t length)
{
    struct request_transport *transport = request->transport;

    if (transport->write_limit > 0 && transport->out.length + length > transport->write_limit)
        request->client_gone = true;
    if (request->client_gone) {
        errno = EPIPE;
        return -1;
    }
    strbuf_append(&transport->out, bytes, length);
    return 0;
}

int request_flush(struct request *request)
{
    if (request->client_gone) {
        errno = EPIPE;
        return -1;
    }
    request->transport->flushes++;
    request->transport->flushed = request->transport->out.length;
    return 0;
}

void request_write_stderr(struct request *request, const void *bytes, size_t length)
{
    (void)request;
    (void)bytes;
    (void)length;
    abort(); /* nothing of ours goes to FCGI_STDERR */
}

#endif
