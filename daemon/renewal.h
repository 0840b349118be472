/* restart.interval: a new generation unasked, every so often. */
#ifndef COWHERD_RENEWAL_H
#define COWHERD_RENEWAL_H

#include <stdint.h>

struct pool;

/* The time until the next one: `interval_ns`, give or take a tenth, by `seed`; 0 stays 0. Pure. */
int64_t renewal_pause(int64_t interval_ns, uint64_t seed);

/* A generation serves, or one has failed to: the next is due after the interval of the one that serves. */
void renewal_set(struct pool *pool);
/* It is due then; 0: never. */
void renewal_resume(struct pool *pool, int64_t due_ns);
void renewal_clear(struct pool *pool);

#endif
