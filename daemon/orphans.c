#include "orphans.h"

#include <stddef.h>

#define ORPHANS 256

static struct {
    pid_t pid;
    int status;
    int64_t reaped_ns;
} orphans[ORPHANS];
static size_t next;

void orphans_add(pid_t pid, int status, int64_t reaped_ns)
{
    orphans[next].pid = pid;
    orphans[next].status = status;
    orphans[next].reaped_ns = reaped_ns;
    next = (next + 1) % ORPHANS;
}

bool orphans_take(pid_t pid, int64_t since_ns, int *status)
{
    for (size_t i = 0; i < ORPHANS; i++) {
        if (orphans[i].pid != pid || orphans[i].reaped_ns < since_ns)
            continue;
        *status = orphans[i].status;
        orphans[i].pid = 0;
        return true;
    }
    return false;
}

bool orphans_at(size_t place, pid_t *pid, int *status, int64_t *reaped_ns)
{
    if (place >= ORPHANS)
        return false;
    *pid = orphans[place].pid;
    *status = orphans[place].status;
    *reaped_ns = orphans[place].reaped_ns;
    return true;
}
