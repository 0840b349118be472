/*
 * When a worker crashes (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT): the request in hand is answered with 500 where no
 * byte of an answer had left, the log gets the Ruby code that was running, and the process ends by that signal. When
 * an app ends it (`exit!`, or exit(3) in a library): the same, and it exits with the status that was asked for.
 */
#ifndef COWHERD_CRASH_H
#define COWHERD_CRASH_H

#include <stddef.h>

#include "scoreboard.h"

/*
 * In a worker, once. Handlers run on a stack of their own: an overflow of the C stack is answered, too. Connections
 * accepted from the listeners that stand at the beginning of a request are sent through the channel, for other workers.
 * `listeners` stay the caller's.
 */
void crash_open(struct slot *slot, int channel, const int *listeners, size_t listener_count);

#endif
