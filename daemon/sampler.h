/*
 * Measures the memory of all molds and workers in turn, at a bounded cost: at most 1 % of one processor's time, each
 * child every 5 seconds when that allows. A child that the supervisor may not look at measures itself.
 */
#ifndef COWHERD_SAMPLER_H
#define COWHERD_SAMPLER_H

#include "loop.h"

struct supervisor;
struct worker;

struct sampler {
    struct supervisor *supervisor;
    struct loop_timer timer;
    unsigned next; /* position in the round over all children */
};

void sampler_start(struct sampler *sampler, struct supervisor *supervisor);
void sampler_stop(struct sampler *sampler);

/* Measures one worker at once: what it grows by counts from here. */
void sampler_measure_worker(struct worker *worker);

/* Somebody looks: measures at once what is older than a second, for at most 50 ms in all. */
void sampler_refresh(struct sampler *sampler);

#endif
