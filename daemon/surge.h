/*
 * How a new generation takes the place of the one before it. Pure: the caller brings the facts and acts.
 *
 * Side by side, all its workers come in before the old ones go. One by one, a worker of the new generation comes in,
 * one of the old goes, and only when that one's memory is free the next comes.
 */
#ifndef COWHERD_SURGE_H
#define COWHERD_SURGE_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

struct surge_memory {
    uint64_t budget; /* of the pool; 0: none */
    uint64_t taken;  /* by the old generation */
    uint64_t loaded; /* by the new one, without workers */
    uint64_t worker; /* by one of its workers at the start */
    unsigned workers;
};

/* Bytes that both generations take together, with all workers of the new one. */
uint64_t surge_both(const struct surge_memory *memory);
/* auto: one by one when that is more than the budget. */
bool surge_is_one_by_one(enum config_surge setting, const struct surge_memory *memory);

struct surge_facts {
    unsigned wanted;       /* workers of the new generation in the end */
    unsigned new_serving;  /* of it, now */
    unsigned new_starting; /* ordered, not yet serving */
    unsigned old_serving;
    unsigned old_leaving; /* told to go, not yet gone */
};

enum surge_action {
    SURGE_WAIT,
    SURGE_ORDER, /* one more of the new */
    SURGE_DRAIN, /* one of the old */
    SURGE_DONE,  /* all of the new are in */
};

enum surge_action surge_step(const struct surge_facts *facts);

/* How many workers the old generation keeps, of those it wanted, while it is replaced one by one. */
unsigned surge_old_keeps(unsigned old_wanted, unsigned new_wanted, unsigned new_serving);

#endif
