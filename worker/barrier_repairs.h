/*
 * Stores of mruby 3.3 that pass no write barrier, in front of which one is put: found by test/torture. They lose
 * objects in a plain interpreter, too, once the container is older than what is stored into it.
 */
#ifndef COWHERD_BARRIER_REPAIRS_H
#define COWHERD_BARRIER_REPAIRS_H

#include <mruby.h>

/* For a new interpreter. */
void barrier_repairs_define(mrb_state *mrb);

#endif
