/* The workers of one generation, from the order to fork them to their obituary. For generation.c. */
#ifndef COWHERD_WORKERS_H
#define COWHERD_WORKERS_H

#include <stdbool.h>
#include <sys/types.h>

#include "channel.h"
#include "generation.h"

/*
 * Orders workers that are missing to the number wanted; where many are, the rest as the mold answers. false when one
 * could not be ordered (errno; EUSERS: workers that leave take every place).
 */
bool workers_fill(struct generation *generation);

/* Looks at the rules of recycling, orders what is to replace a worker, and lets those go whose replacement is ready. */
void workers_recycle(struct generation *generation);

/* Nobody can be forked, for ever or for now: workers go on beyond their number of requests. */
void workers_lift_request_limits(struct generation *generation);
/* They can be again: who is beyond it has one request left. */
void workers_set_request_limits(struct generation *generation);

void workers_measured(struct worker *worker, const struct memory_figures *figures);

/*
 * Orders one worker more, which traces its writes until it has served `requests`, and writes its report to `report`
 * (which stays the caller's). NULL with errno.
 */
struct worker *workers_order_traced(struct generation *generation, uint64_t requests, int report);

/* Orders the worker that answers the warm-up requests, and then waits for workers_let_serve. NULL with errno. */
struct worker *workers_order_warming(struct generation *generation);
/* It has answered them, and they don't count as its requests. */
void workers_let_serve(struct worker *worker);

/*
 * For who makes a worker (worker_orders.c): its channel (which stays the caller's when it can't be watched), and its
 * output (-1: none) with its deadline, which is not set yet. false with errno.
 */
bool workers_watch_channel(struct worker *worker, int channel);
bool workers_watch(struct worker *worker, int output);

/* Gives it the access log: now, or when there is room in its channel. */
void workers_send_access_log(struct worker *worker);

/* Tells one worker to drain. `reason` is static text. */
void workers_drain_one(struct worker *worker, const char *reason);

/*
 * "worker_start hook FILE" in `text`, for a worker that is in a hook of its start or of its end; else NULL. (The worker
 * writes it: it may be wrong, and only goes into words.)
 */
const char *workers_hook_in_hand(const struct worker *worker, char text[SLOT_REQUEST_SIZE]);

/* Takes what it has said and nobody has read yet. */
void workers_hear(struct worker *worker);

/* Its channel is full. When there is room, what is kept for it goes on: the log, the order to drain, connections. */
void workers_await_room(struct worker *worker);

/* The mold's answer to an order. */
void workers_forked(struct generation *generation, uint32_t slot, pid_t pid, int error);

/* SIGKILL to one that lives, or has been killed already; another takes its place. `reason` is static text. */
void worker_kill(struct worker *worker, const char *reason);

/* Those that serve finish what they have and leave; those that don't yet are killed. */
void workers_abandon(struct generation *generation, const char *reason);

/* Drain or kill them all. */
void workers_tell(struct generation *generation, enum child_event event, const char *reason);

/* A reaped process: true when it was a worker of this generation. */
bool workers_reaped(struct generation *generation, pid_t pid, int status);

/*
 * One that runs already, for who took the supervisor over: watches its channel and its output (-1: none). false with
 * errno. workers_adopt_refill sets the pause before the next worker is ordered.
 */
bool workers_adopt(struct worker *worker, int channel, int output);
void workers_adopt_refill(struct generation *generation, int64_t deadline_ns);

/* The mold is gone: workers that it was asked for and never told about will not come. */
void workers_forget_ordered(struct generation *generation);

unsigned workers_alive(const struct generation *generation);

#endif
