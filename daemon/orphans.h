/*
 * Processes that were reaped before anybody knew them: a worker can die before its mold has told its pid. Remembers the
 * last few; whoever learns of a pid asks here first. (What is never asked for was a stranger: a process that an app
 * left behind, which comes to the supervisor as the subreaper.)
 */
#ifndef COWHERD_ORPHANS_H
#define COWHERD_ORPHANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

void orphans_add(pid_t pid, int status, int64_t reaped_ns);

/*
 * true when `pid` was reaped at `since_ns` or later: *status is wait(2)'s. It is forgotten. (Who was reaped before that
 * had the number first, and was somebody else.)
 */
bool orphans_take(pid_t pid, int64_t since_ns, int *status);

/* One of those that are remembered; `pid` 0: none at this place. false: there are no more places. */
bool orphans_at(size_t place, pid_t *pid, int *status, int64_t *reaped_ns);

#endif
