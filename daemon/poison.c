#include "poison.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

bool poison_is_cause(int status, bool told_to_go, bool for_memory)
{
    if (WIFEXITED(status))
        return !told_to_go;
    switch (WTERMSIG(status)) {
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGSEGV:
    case SIGSYS:
    case SIGTRAP: return true;
    case SIGKILL: return for_memory;
    default: return false;
    }
}

/* Takes one out, with those behind it moving up: they are in the order of their last deaths. */
static struct poison_suspect take_out(struct poison *poison, size_t at)
{
    struct poison_suspect one = poison->suspects[at];

    poison->count--;
    memmove(&poison->suspects[at], &poison->suspects[at + 1], (poison->count - at) * sizeof one);
    return one;
}

unsigned poison_killed(struct poison *poison, uint64_t hash, int64_t now_ns)
{
    struct poison_suspect one = { .hash = hash };
    size_t at = 0;

    while (at < poison->count && poison->suspects[at].hash != hash)
        at++;
    if (at < poison->count)
        one = take_out(poison, at);
    else if (poison->count == POISON_SUSPECTS)
        take_out(poison, 0);
    one.deaths++;
    one.last_ns = now_ns;
    poison->suspects[poison->count++] = one;
    return one.deaths;
}

bool poison_forget(struct poison *poison, int64_t now_ns)
{
    bool changed = false;

    while (poison->count > 0 && now_ns - poison->suspects[0].last_ns > POISON_MEMORY_NS)
        changed |= take_out(poison, 0).deaths >= POISON_DEATHS;
    return changed;
}

uint32_t poison_refused(const struct poison *poison)
{
    uint32_t refused = 0;

    for (size_t i = 0; i < poison->count; i++)
        refused += poison->suspects[i].deaths >= POISON_DEATHS;
    return refused;
}

void poison_publish(const struct poison *poison, struct scoreboard *board)
{
    uint32_t count = 0;

    for (size_t i = poison->count; i-- > 0 && count < SCOREBOARD_POISON_MAX;)
        if (poison->suspects[i].deaths >= POISON_DEATHS)
            atomic_store_explicit(&board->poison[count++], poison->suspects[i].hash, memory_order_relaxed);
    atomic_store_explicit(&board->poison_count, count, memory_order_release);
}
