/*
 * Collection between requests (`gc:`): the young heap is collected when nobody waits, so that requests seldom pay for
 * it and what a worker has for itself stays small. Only frozen interpreters: there a full collection takes some
 * 20 microseconds; an unfrozen one is left to mruby's own pacing.
 *
 * after_request: at the first moment without a waiting connection, once the young heap is worth it (COLLECT_OBJECTS
 * new objects or COLLECT_BYTES), else after COLLECT_IDLE_NS of quiet; with connections waiting, too, when the young
 * heap has grown large. idle: after COLLECT_IDLE_NS of quiet. automatic: never.
 */
#ifndef COWHERD_COLLECTOR_H
#define COWHERD_COLLECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "app.h"
#include "config.h"
#include "scoreboard.h"

struct collector {
    enum config_gc mode;
    struct slot *slot;
    const struct app_set *apps;
    size_t trimmed_at;      /* bytes allocated when memory was given back last */
    int64_t sizes_ns;       /* when collector_publish_sizes was called last */
    int64_t quiet_since_ns; /* end of the last request that left something to collect; 0: nothing to collect */
};

void collector_open(struct collector *collector, const struct config_pool *pool, const struct app_set *apps,
                    struct slot *slot);

/* A request was answered. */
void collector_after_request(struct collector *collector, int64_t now_ns);

/*
 * Whether it matters if a connection waits: the caller then looks for events without waiting, and calls collector_run
 * when there are none.
 */
bool collector_wants_quiet(const struct collector *collector);

/* No connection waits. Collects what is worth it; when it has been quiet for long, everything, and trims. */
void collector_quiet(struct collector *collector, int64_t now_ns);

/*
 * Publishes the size of the young heap and what the allocator tells. Comes by itself when it has been quiet, and once a
 * second while it collects.
 */
void collector_publish_sizes(struct collector *collector, int64_t now_ns);

/* When collector_quiet should be called again; 0: not before the next request. */
int64_t collector_deadline(const struct collector *collector);

#endif
