/*
 * What comes in on a worker's connections: bytes are received, looked at by the gate, and become requests that are
 * served one at a time, answers to management records, or the end of a connection.
 */
#ifndef COWHERD_INTAKE_H
#define COWHERD_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connection.h"
#include "dispatch.h"
#include "gate.h"
#include "lookout.h"
#include "quota.h"

struct intake {
    struct connection_table connections;
    struct dispatch dispatch;
    struct gate_limits limits;
    struct quota quota;
    struct lookout lookout;
    bool draining;  /* connections are closed as soon as nothing of a request is there */
    int64_t now_ns; /* of the present round of events */
    uint8_t *scratch;
    size_t scratch_size;
};

/*
 * `epoll_fd` stays the caller's, and `channel`, on which the supervisor is told how the quota stands, and `escrow`,
 * which may be -1.
 */
void intake_open(struct intake *intake, int epoll_fd, int channel, int escrow, const struct config_pool *pool,
                 const struct app_set *apps, struct slot *slot);
/* Closes every connection. */
void intake_close(struct intake *intake);

/*
 * Takes over a connection that was just accepted (non-blocking). A request that has come with it is served at once.
 * true: it is closed again.
 */
bool intake_accept(struct intake *intake, int fd);

/* Gives it to other workers (handback.h) without a look at it; where that can't be, the same as intake_accept. */
void intake_accept_for_others(struct intake *intake, int queue, int fd);

/* As intake_accept, for one from the supervisor, which puts a copy into the escrow by itself. */
void intake_take_over(struct intake *intake, int fd);

/* The next one from other workers (handback.h), to be received from now or later. NULL: there is none. */
struct connection *intake_take_given(struct intake *intake, int queue);
/* Puts the next one from other workers behind the others, which wakes a worker as if it had just come. */
void intake_pass_on(struct intake *intake, int queue);

/* To be called before the worker sleeps. */
void intake_rest(struct intake *intake);

/* There is something to be received, or the peer has left. Serves what is complete. */
void intake_receive(struct intake *intake, struct connection *connection);

/* Ends the waiting of connections whose deadline has come. */
void intake_expire(struct intake *intake);

/*
 * From now on no connection is kept. Those that idle are served a last time when a request waits there, or closed;
 * unfinished heads are waited for briefly.
 */
void intake_drain(struct intake *intake);

#endif
