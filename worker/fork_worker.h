/* Forking a worker that becomes the supervisor's own child. */
#ifndef COWHERD_FORK_WORKER_H
#define COWHERD_FORK_WORKER_H

#include <sys/types.h>

/*
 * As fork(2), but the child's parent is the nearest child subreaper: the supervisor. Returns 0 in the new process, its
 * pid in the caller, -1 with errno when there is none.
 *
 * The intermediate process is made by vfork, so that the page tables are copied once, and the worker by glibc's fork
 * (raw clone with CLONE_PARENT leaves robust mutexes and the cached thread id wrong).
 */
pid_t fork_worker(void);

#endif
