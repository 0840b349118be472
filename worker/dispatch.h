/*
 * One request from the gate to the ledger: which app it is for, the answers that need none, what the scoreboard and
 * the access log are told.
 */
#ifndef COWHERD_DISPATCH_H
#define COWHERD_DISPATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "app.h"
#include "config.h"
#include "gate.h"
#include "request.h"
#include "scoreboard.h"

struct dispatch {
    const struct config_pool *pool;
    const struct app_set *apps;
    struct slot *slot;
    const struct scoreboard *board; /* knows which requests are refused; NULL: none are */
    char *path;                     /* room for the longest path that a head can carry */

    /* the request in hand */
    int fd;
    const struct gate_result *gate;
    bool path_known; /* the front end has told it */
    bool late;       /* its body did not come in time: 408 */
};

void dispatch_open(struct dispatch *dispatch, const struct config_pool *pool, const struct app_set *apps,
                   struct slot *slot);
void dispatch_close(struct dispatch *dispatch);

/* One more in a counter of the slot. The worker is the only writer: no locked instruction. */
void dispatch_count(_Atomic uint64_t *counter);

/* For struct fcgi_call; `data` is the struct dispatch. The AUTHORIZER role is answered by the app as any other. */
void dispatch_answer(struct request *request, void *data);
void dispatch_finished(struct request *request, void *data);

#endif
