/*
 * A worker whose supervisor has been killed. Between requests it learns so from the end of its channel; this is for one
 * that is in a request: it lets go of the listening sockets at once, so that a new supervisor can have their addresses
 * while the request is finished, and keeps the request to its time-outs, which nobody else does any more.
 */
#ifndef COWHERD_ORPHANED_H
#define COWHERD_ORPHANED_H

#include "config.h"
#include "scoreboard.h"

/*
 * In a worker, once, after time_out_open; takes SIGUSR2, by which the kernel tells of the death. `listeners` (`count`
 * of them), `board` (NULL: none) and `slot` are kept. Standard input has to be /dev/null: it takes the place of the
 * listening sockets.
 */
void orphaned_prepare(int channel, const int *listeners, size_t count, struct scoreboard *board, struct slot *slot,
                      const struct config_pool *pool);

/*
 * Where the listening sockets are watched from now on; -1: nowhere. They are taken out of it first: one that is open
 * elsewhere, too, would be told of there for ever, and woke this worker in the place of another.
 */
void orphaned_set_epoll(int epoll_fd);

#endif
