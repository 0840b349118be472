/*
 * A process that an app forks off a worker (IO.popen("-")) is the app's: it lets go of what is the worker's as soon as
 * it exists, and ends when it comes back from the app's code, before it can send anything to the worker's client.
 */
#ifndef COWHERD_STRAY_CHILD_H
#define COWHERD_STRAY_CHILD_H

#include <stdbool.h>
#include <stddef.h>

#include "connection.h"
#include "scoreboard.h"

/* True in such a process alone. */
extern bool stray_child;

/*
 * True in a worker that was forked once. The other process may still have what the worker closes (for a moment also one
 * that executes another program), and epoll would go on telling of it.
 */
extern bool stray_child_exists;

/*
 * In a worker, once. A child closes the channel, the escrow and the queue of handback.h (-1: there is none), the
 * listeners and the connection of the request in hand.
 */
void stray_child_prepare(const struct slot *slot, int channel, int escrow, int handback, const int *listeners,
                         size_t listener_count);

/* From now on it closes those that wait in this table, too, and its epoll; NULL: there are none any more. */
void stray_child_set_connections(const struct connection_table *connections);

/* What the child comes to when the app is through: says so in the log and ends it. */
_Noreturn void stray_child_end(void);

#endif
