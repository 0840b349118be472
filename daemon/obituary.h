/* One line in the error log for each child that ends: how, after how long, and what it had in hand. */
#ifndef COWHERD_OBITUARY_H
#define COWHERD_OBITUARY_H

#include <stdint.h>

#include "generation.h"

/* `status` as from wait(2); `now_ns` CLOCK_MONOTONIC. */
void obituary_worker(const struct worker *worker, int status, int64_t now_ns);
void obituary_mold(const struct generation *generation, int status, int64_t now_ns);

/* "exit status 1", "signal 9 (SIGKILL)", "signal 11 (SIGSEGV), core dumped". Static storage. */
const char *obituary_cause(int status);

#endif
