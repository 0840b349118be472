/*
 * Connections from one worker of a pool to another: a queue of descriptors (escrow.h) that all of them hold, and the
 * supervisor, so that what lies there outlives each of them; with what its worker has received of the next request
 * (handed.h). What was given belongs to whoever takes it.
 */
#ifndef COWHERD_HANDBACK_H
#define COWHERD_HANDBACK_H

#include <stdbool.h>

#include "connection.h"

/*
 * Gives a connection that waits. true: its descriptor is closed, and the struct is still in its list until
 * connection_forget_given. false with errno: it stays as it was; EMSGSIZE, EBUSY: others may go all the same. Allocates
 * nothing, and frees nothing.
 */
bool handback_give(int queue, struct connection_table *table, struct connection *connection);

/*
 * Takes the oldest one: it waits here as it did there, to the same deadline. NULL: there is none, or none that could be
 * kept, or (errno EMFILE, ENFILE) it stays there for want of a descriptor. `room` is for what was received: as much as
 * a worker of this generation ever saves; with more it is closed.
 */
struct connection *handback_take(int queue, struct connection_table *table, uint8_t *room, size_t size);

#endif
