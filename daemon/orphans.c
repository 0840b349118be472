#include "orphans.h"

#include <stddef.h>

#define ORPHANS 256

static struct {
    pid_t pid;
    int status;
} orphans[ORPHANS];
static size_t next;

void orphans_add(pid_t pid, int status)
{
    orphans[next].pid = pid;
    orphans[next].status = status;
    next = (next + 1) % ORPHANS;
}

bool orphans_take(pid_t pid, int *status)
{
    for (size_t i = 0; i < ORPHANS; i++) {
        if (orphans[i].pid != pid)
            continue;
        *status = orphans[i].status;
        orphans[i].pid = 0;
        return true;
    }
    return false;
}
