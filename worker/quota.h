/*
 * How many requests this worker may still take: none once it has run out of memory and another one serves. The
 * supervisor sets the limit in the slot before the fork (and lifts it when nobody could be forked in the worker's
 * place); the worker keeps to it, and tells when it is close.
 */
#ifndef COWHERD_QUOTA_H
#define COWHERD_QUOTA_H

#include <stdbool.h>

#include "scoreboard.h"

struct quota {
    const struct slot *slot;
    const struct scoreboard *board; /* of all workers; NULL: there are no others */
    int channel;
    bool announced; /* ALMOST_DONE is sent */
};

/*
 * Whether one connection more may be accepted when on `expecting` of the open ones a request has begun, or is yet to
 * come for the first time: each of them has one reserved, so that nobody who was accepted is turned away. Kept
 * connections that idle have none; what comes there after the last request passes the limit.
 */
bool quota_has_room(const struct quota *quota, unsigned expecting);

/* The last request has been taken. */
bool quota_is_spent(const struct quota *quota);

/* Tells the supervisor, once, when only a twentieth of the requests is left (or one). */
void quota_announce(struct quota *quota);

/* Tells the supervisor that no more are taken. */
void quota_tell_spent(const struct quota *quota);

#endif
