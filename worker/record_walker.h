/*
 * The record walker stands between a connection and libfcgi: it hands out the records of one request and nothing else.
 * It begins with bytes that are already in memory, receives more when they are used up, and stops behind the record
 * that closes STDIN. Padding is taken out on the way (libfcgi loses its place on a padded BEGIN_REQUEST or a padded
 * closing record), and so are the parameters, which the worker has decoded by itself; nothing but STDIN of the request
 * in hand gets through once the head is over.
 */
#ifndef COWHERD_RECORD_WALKER_H
#define COWHERD_RECORD_WALKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fcgi_record.h"

#define WALKER_DO_NOT_WAIT 1 /* a deadline that has always passed */

enum walker_phase { WALKER_HEAD, WALKER_BODY, WALKER_ENDED };

struct record_walker {
    /* set by the caller, after walker_start */
    uint16_t request_id;
    bool has_body;         /* false: the request ends with its head */
    int64_t deadline_ns;   /* no waiting for bytes after this, for the body as a whole; 0: wait for ever */
    bool (*give_up)(void); /* asked when a wait was interrupted by a signal: fail as at the deadline; NULL: never */
    void (*refuse)(uint16_t request_id, void *data); /* a second BEGIN_REQUEST came: it can't be taken */
    void *refuse_data;

    /* for the caller to read */
    int error;                 /* errno of what ended the body early: ETIMEDOUT, ECONNRESET, EPROTO; 0: nothing did */
    bool aborted;              /* by ABORT_REQUEST; error is ECONNRESET then */
    uint16_t refused_id;       /* the last one refused; 0: none */
    const uint8_t *next, *end; /* received and not yet walked over */
    bool received;             /* these are in the walker's own buffer, not in the caller's bytes */

    /* its own */
    int fd;
    enum walker_phase phase, next_phase;
    uint8_t header[FCGI_RECORD_HEADER_SIZE];
    size_t header_length; /* bytes of the next header that are there */
    size_t header_left;   /* bytes of the present header still to hand out */
    size_t content_left, padding_left;
    bool pass; /* the content is handed out, not skipped */
};

/* `bytes` stay the caller's and as they are until the walker has ended. One walker at a time receives. */
void walker_start(struct record_walker *walker, int fd, const uint8_t *bytes, size_t length);

/* As read(2): bytes handed out, 0 at the end of the request, -1 with errno. Errors stay. */
ssize_t walker_read(struct record_walker *walker, uint8_t *out, size_t length);

/* Every byte of the request was walked over. */
bool walker_at_end(const struct record_walker *walker);

#endif
