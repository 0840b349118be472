/*
 * What the supervisor knows, for people (a table) and for programs (JSON; its schema is a promise, see the manual).
 * Memory figures older than a second are measured anew first, at a bounded cost.
 */
#ifndef COWHERD_STATUS_H
#define COWHERD_STATUS_H

#include <stdint.h>

#include "strbuf.h"

struct pool;
struct supervisor;
struct worker;

enum status_format { STATUS_TEXT, STATUS_JSON, STATUS_METRICS, STATUS_FORMATS };

void status_json(struct supervisor *supervisor, struct strbuf *out);
void status_table(struct supervisor *supervisor, struct strbuf *out);

/* For other tables: "idle", ...; "serving", ...; bytes as "123k" or "12.3M", right-aligned. */
const char *status_worker_state(const struct worker *worker);
const char *status_pool_state(const struct pool *pool);
void status_print_bytes(struct strbuf *out, uint64_t bytes, int width);

#endif
