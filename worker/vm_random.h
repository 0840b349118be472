/*
 * Ruby's Random in a process that forks: no two workers may draw the same numbers. mruby's own `Random.new` starts from
 * constants, so that every generator made without a seed gives the same sequence in every process; here such a one gets
 * its state from getrandom(2), and those made before the fork are given a new one after it (vm_reseed).
 */
#ifndef COWHERD_VM_RANDOM_H
#define COWHERD_VM_RANDOM_H

#include <mruby.h>

/* Once per interpreter, from protected code. Does nothing in a build without mruby-random. */
void vm_random_define(mrb_state *mrb);

#endif
