/* A worker's life under a trace of its writes (write_trace.h). */
#ifndef COWHERD_TRACED_WORKER_H
#define COWHERD_TRACED_WORKER_H

#include "server.h"

/*
 * As server_run, with TRACE_WRITES taken from the channel before and REPORTED sent after. Does not return when the
 * trace can't be started.
 */
int64_t traced_worker_run(const struct server_options *options);

#endif
