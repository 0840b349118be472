/* Brings surge.h its facts, and does what it decides. */
#ifndef COWHERD_SURGING_H
#define COWHERD_SURGING_H

#include <stdbool.h>

struct generation;
struct pool;

/* The generation is loaded and warm: decides how it takes the place of the one that serves. */
void surging_choose(struct generation *generation);

/* A worker of the pool has come in or is gone: the next step, where one generation replaces another one by one. */
void surging_look(struct pool *pool);

/* How many of the workers that a generation wants it may have now. */
unsigned surging_permits(const struct generation *generation, unsigned wanted);

/* It is the old one of two, and nobody is replaced in it for reasons of its own. */
bool surging_replaces(const struct generation *generation);

#endif
