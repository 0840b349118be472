/*
 * Has the kernel killed a process for want of memory? It leaves no more than a counter: that of our control group
 * (memory.events, version 2), else that of the machine (/proc/vmstat). A worker that died by a SIGKILL that nobody here
 * sent while it rose is taken to be the one.
 */
#ifndef COWHERD_OOM_WATCH_H
#define COWHERD_OOM_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct oom_watch {
    char *path;    /* where the counter is; NULL: nowhere */
    uint64_t seen; /* kills that are accounted for */
    int64_t risen_ns;
};

/* Finds the counter, or reads the one in `path` when that is not NULL. */
void oom_watch_start(struct oom_watch *watch, const char *path);
void oom_watch_stop(struct oom_watch *watch);

/* A child has died by SIGKILL: true when the kernel may have done it, which accounts for one kill. */
bool oom_watch_take(struct oom_watch *watch);

/* Now and then: kills that no child of ours answers to are somebody else's. */
void oom_watch_look(struct oom_watch *watch, int64_t now_ns);

#endif
