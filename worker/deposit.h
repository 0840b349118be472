/*
 * Which connections of a worker lie in its escrow: those that are accepted and have not sent anything, as soon as the
 * worker sleeps or looks at another one. (A front end's request mostly comes with its connection, and nothing of this
 * is done.) A copy in the escrow is of no use any more when its connection is marked as begun (unbegun.h): so deposited
 * ones are marked before anything is received from them, and shut down before they are closed.
 */
#ifndef COWHERD_DEPOSIT_H
#define COWHERD_DEPOSIT_H

#include "connection.h"

/* Deposits all that are exposed, as far as there is room. */
void deposit_exposed(struct connection_table *table);

/* The supervisor has deposited this one by itself. */
void deposit_given(struct connection_table *table, struct connection *connection);

/* Takes out the copy of this connection. false: it was not found; it may be there all the same, or come yet. */
bool deposit_take_out(struct connection_table *table, int fd);

/* Takes copies out that are of no use any more. */
void deposit_sweep(struct connection_table *table);

#endif
