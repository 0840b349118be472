/*
 * Stands between a mold and the apps that it loads: whatever an app does then, the supervisor is told where and what.
 *
 * An app may end the process, fork it, close descriptors that aren't its own, hold some of its own, start processes, or
 * not come to an end. SIGALRM, by which the supervisor asks a mold that takes too long where it is, becomes an
 * exception in the Ruby code that runs.
 *
 * One guard a process: exit handlers and signal handlers have no other way to it.
 */
#ifndef COWHERD_LOAD_GUARD_H
#define COWHERD_LOAD_GUARD_H

#include "app.h"

/* From now on. `channel` leads to the supervisor; all descriptors that are open now are cowherd's. */
void load_guard_begin(int channel);

/*
 * For app_set_load, which does not return when it fails: the supervisor is told and the process ends, without waiting
 * for the processes that apps have started (as closing a pipe to one of them would).
 */
extern const struct app_watch load_guard_watch;

/* All is loaded. In a process that an app has forked and that has come this far, does not return. */
void load_guard_end(void);

/* After the freeze, whose collections have closed what nobody refers to: warns of what apps still hold. */
void load_guard_warn(void);

#endif
