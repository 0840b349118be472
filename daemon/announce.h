/*
 * What the supervisor tells its service manager (notify.h): that it is ready, reloads and stops, and in a line how its
 * pools are.
 */
#ifndef COWHERD_ANNOUNCE_H
#define COWHERD_ANNOUNCE_H

#include "loop.h"
#include "notify.h"

struct supervisor;

struct announce {
    struct notify notify;
    enum announced { TOLD_NOTHING, TOLD_READY, TOLD_RELOADING, TOLD_STOPPING } told;
    char *status;  /* as told last */
    char *refusal; /* what is wrong with the configuration that was read last; NULL: it is in use */
};

void announce_open(struct announce *announce, struct loop *loop);
/* The configuration is about to be read anew. READY comes when every pool has settled, also when nothing changes. */
void announce_reloading(struct announce *announce, const struct supervisor *supervisor);
/* What is wrong with the configuration that was read, for the line; NULL: nothing. */
void announce_refusal(struct announce *announce, const char *errors);
/* Tells what has changed since the last look. */
void announce_look(struct announce *announce, const struct supervisor *supervisor);
void announce_close(struct announce *announce);

#endif
