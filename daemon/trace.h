/*
 * A trace of the writes to preloaded state: one worker more, which serves as the others do with the frozen region
 * write-protected, and reports who wrote to it when it leaves: after its number of requests, or when it is told to. One
 * at a time in a pool.
 */
#ifndef COWHERD_TRACE_H
#define COWHERD_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "pool.h"
#include "ticket.h"

/*
 * Orders the worker. The ticket is settled with its report (the lines of write_trace.h in worker/, "requests N" and,
 * when it was told to leave, "ended REASON" before them), or with the reason why there is none.
 */
void trace_start(struct pool *pool, uint64_t requests, struct ticket *ticket);

/* Ends the trace that this ticket waits for with what it has found so far. false: the ticket waits for something else.
 */
bool trace_finish(struct supervisor *supervisor, const struct ticket *ticket, const char *reason);

/* From a worker: its report is written, or could not be (`error`: errno). */
void trace_reported(struct worker *worker, uint64_t bytes, int error);

/* The worker is gone; frees its trace. `status` is wait(2)'s, -1 when there never was a process. */
void trace_over(struct worker *worker, int status);

#endif
