/*
 * What the molds and workers cost, part by part (the command `memory`), from their last measurements; with the figures
 * of the design: private, shared, broken, and sharing = 1 - broken / region.
 */
#ifndef COWHERD_MEMORY_REPORT_H
#define COWHERD_MEMORY_REPORT_H

#include "strbuf.h"

struct pool;
struct supervisor;

/* Of one pool or, with NULL, of all. */
void memory_report_json(const struct supervisor *supervisor, const struct pool *pool, struct strbuf *out);
void memory_report_table(const struct supervisor *supervisor, const struct pool *pool, struct strbuf *out);

#endif
