/*
 * FastCGI requests on libfcgi. This is the only module that includes libfcgi.
 *
 * libfcgi reads, writes, accepts and closes through its own OS_Read, OS_Write, OS_Accept and OS_IpcClose; fcgi.c
 * defines these, so that the bytes that the gate has looked at are handed over without a second system call, sockets
 * stay non-blocking under deadlines, libfcgi never sees a byte behind the request in hand, nor a record that the gate
 * or the record walker has not passed, every byte that leaves is counted, and no descriptor is closed behind the
 * server's back. fcgi_self_check proves at start that the definitions are in force (they would not be with a libfcgi
 * linked by -Bsymbolic or statically).
 */
#ifndef COWHERD_FCGI_H
#define COWHERD_FCGI_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gate.h"
#include "request.h"

/* Initialises libfcgi; signal handlers stay as they were, but for SIGPIPE, which is ignored. Once per process. */
void fcgi_init(void);

/* true when libfcgi goes through our definitions. After fcgi_init. */
bool fcgi_self_check(void);

/* One request that the gate called READY, and how to serve it. */
struct fcgi_call {
    int fd;               /* non-blocking */
    const uint8_t *bytes; /* all that was received on it so far, starting with the head */
    size_t length;
    const struct gate_result *gate;
    int64_t received_ns;
    int64_t body_deadline_ns; /* reading the body ends then (ETIMEDOUT); 0: never */
    int64_t write_wait_ns;    /* longest wait for the client to take more; 0: forever */
    bool (*give_up)(void);    /* asked when a wait was interrupted by a signal: fail as at its end; NULL: never */
    bool allow_keep;          /* false: as if the client had not asked to keep the connection */
    _Atomic uint64_t
        *bytes_out; /* counts the bytes of this answer, records included, before they leave; NULL: not wanted */

    /* Called once, to answer; and once more when all of the answer has left or was lost. Parameters are valid in both.
     */
    void (*answer)(struct request *request, void *data);
    void (*finished)(struct request *request, void *data);
    void *data;
};

enum fcgi_after {
    FCGI_KEEP,   /* the connection waits for its next request */
    FCGI_CLOSE,  /* the caller closes it */
    FCGI_LINGER, /* the client is still sending a body that nobody wants: closing now could cost it the answer. The
                    caller shuts the connection down for writing, throws away what comes for a while, and closes */
};

/* What was received behind the request, for FCGI_KEEP. */
struct fcgi_remainder {
    size_t used;   /* what follows these is left of `bytes`, when `rest` is NULL */
    uint8_t *rest; /* else this is all that is left; the caller frees it */
    size_t rest_length;
};

/* Serves one request: calls `answer`, ends the request, calls `finished`, drains what was left of STDIN (bounded). */
enum fcgi_after fcgi_serve(const struct fcgi_call *call, struct fcgi_remainder *remainder);

#endif
