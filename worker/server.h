/*
 * A worker's life: accept connections, gate requests, serve them one at a time, drain, leave.
 */
#ifndef COWHERD_SERVER_H
#define COWHERD_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "app.h"
#include "config.h"
#include "scoreboard.h"

struct server_listener {
    int fd; /* non-blocking */
    enum config_listen_type type;
};

struct server_options {
    const struct config_pool *pool;
    struct app_set *apps;
    const struct scoreboard *board; /* of the pool, to leave connections to less busy workers; NULL: there are none */
    struct slot *slot;
    uint32_t slot_index;
    int channel;  /* to the supervisor */
    int escrow;   /* escrow.h; -1: none */
    int handback; /* handback.h; -1: none */
    const struct server_listener *listeners;
    size_t listener_count;
    bool traced;  /* requests are for this worker rather than for the others */
    bool warming; /* until SERVE it serves what comes with WARM_UP, and accepts nothing */
};

/*
 * Sends READY (where it is warming, at SERVE), and serves until the supervisor sends DRAIN or goes away (end of file on
 * the channel) and what was accepted is finished. Returns; the caller leaves the process, before CLOCK_MONOTONIC
 * reaches what is returned (0: without a limit).
 */
int64_t server_run(const struct server_options *options);

#endif
