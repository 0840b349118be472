/*
 * The soft time-out: an exception (Cowherd::RequestTimeout) is raised in the Ruby code that has run for too long,
 * wherever it is, so that its `ensure` bodies run and the interpreter stays usable.
 *
 * The supervisor writes the request's number into the slot (overdue_sequence) and sends SIGALRM, now and again for as
 * long as the request goes on. The handler makes the interpreter raise at its next instruction; system calls are
 * interrupted. Code that swallows the exception is raised at again with each signal, from the third one on at every
 * instruction, `ensure` bodies included, until it gives up. A long call into C delays it: the supervisor's kill at
 * timeouts.hard remains.
 */
#ifndef COWHERD_TIME_OUT_H
#define COWHERD_TIME_OUT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include <mruby.h>

#include "scoreboard.h"

#define TIME_OUT_SIGNAL SIGALRM

/* In a worker, once. `limit_ns` is timeouts.request, for the message. */
void time_out_open(const struct slot *slot, int64_t limit_ns);

/* Code of the request in hand begins and ends in this interpreter. One request at a time. */
void time_out_begin(mrb_state *mrb);
void time_out_end(void);

/*
 * The same for code that belongs to no request, so that no supervisor watches it: a timer of the process's own sends
 * the signals after `own_limit_ns`, which the setting of that name limits. Code that can't be interrupted ends the
 * process a few seconds later. Ends with time_out_end.
 */
void time_out_begin_timed(mrb_state *mrb, int64_t own_limit_ns, const char *setting);

/*
 * Between these nothing is raised: code of cowherd's own runs. What was to be raised comes with the next signal after
 * time_out_unmask. They nest, and are fine where time_out_open was never called.
 */
void time_out_mask(void);
void time_out_unmask(void);

/* The interpreter between time_out_begin and time_out_end, else NULL. */
mrb_state *time_out_interpreter(void);

/* The request in hand is overdue: a wait that was interrupted had better fail than go on. */
bool time_out_is_due(void);

#endif
