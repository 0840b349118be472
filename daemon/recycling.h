/* What the rules of recycling (recycle.h) are told about a generation's workers, and what is told about their verdicts.
 */
#ifndef COWHERD_RECYCLING_H
#define COWHERD_RECYCLING_H

#include <stdbool.h>

#include "config.h"
#include "generation.h"
#include "recycle.h"

/* A new worker's own limits. */
struct recycle_limits recycling_draw(const struct config_pool *settings);

/* What it grows by has to be known: it is measured when it reports in. */
bool recycling_looks_at_memory(const struct worker *worker);

/* Marks as `replaced` those that are to be replaced next. Says once when the pool can't keep to its budget. */
void recycling_choose(struct generation *generation);

/* The worker goes, because of `replaced`: fills replaced_because, and counts and remembers it in its pool. */
void recycling_record(struct worker *worker);

#endif
