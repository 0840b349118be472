/*
 * Which code writes to preloaded state. The frozen region is write-protected; the first write to each page is noted by
 * a handler of SIGSEGV, with the line of Ruby that runs, and the page is made writable. For one worker that is forked
 * to find this out: pages that were written to keep costing it a copy, as they do in all the others.
 *
 * The kernel does not fault into a protected page, a system call that writes there fails with EFAULT. Buffers of C data
 * (an IO's) are left writable because of that, and not watched. Strings are safe: mruby makes them ready for a write
 * before it passes them to a system call.
 */
#ifndef COWHERD_WRITE_TRACE_H
#define COWHERD_WRITE_TRACE_H

#include <stddef.h>

#include <mruby.h>

#include "strbuf.h"

/* Starts. The region is frozen, and holds these interpreters. 0, or -1 with errno. */
int write_trace_start(mrb_state *const interpreters[], size_t count);

/*
 * Ends the trace: all is writable again. Appends lines of fields that are separated by tabs:
 *
 *   region BYTES         the whole
 *   unwatched BYTES      left writable from the start
 *   interpreter BYTES    written by the interpreter for itself (its state and stacks), as in any worker
 *   cut                  there were more pages than can be watched one by one: what follows is not all
 *   write BYTES CLASS FILE LINE METHOD
 *
 * with one `write` for each place and class; BYTES are whole pages. CLASS is the class of the object that was written
 * to, or what it was in parentheses; FILE is empty when no Ruby code was running, METHOD outside of methods.
 */
void write_trace_finish(struct strbuf *out);

#endif
