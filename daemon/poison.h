/*
 * Requests that kill their workers. A front end sends such a request again, to the next worker: what has killed two is
 * answered 503 by the others without a look, for a while. Pure: who died of what comes from workers.c, the hashes from
 * the workers, and what is to be refused goes to them over the scoreboard.
 */
#ifndef COWHERD_POISON_H
#define COWHERD_POISON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "scoreboard.h"

#define POISON_DEATHS 2                         /* a request that has killed so many workers is refused */
#define POISON_MEMORY_NS (600 * CLOCK_NS_PER_S) /* after the last of them, then it is forgotten */
#define POISON_SUSPECTS 64

struct poison {
    size_t count;
    struct poison_suspect {
        uint64_t hash; /* of the request, as in slot.request_hash */
        unsigned deaths;
        int64_t last_ns;
    } suspects[POISON_SUSPECTS]; /* the last to kill stands last */
};

/*
 * Whether a worker that was serving a request died of that: a crash, an end by itself, or by the kernel for memory
 * (`for_memory`). Not when it had been told to go, or when somebody sent a signal. `status` as from wait(2).
 */
bool poison_is_cause(int status, bool told_to_go, bool for_memory);

/* A worker died of this request: how many have so far. When there is no room the oldest suspect is forgotten. */
unsigned poison_killed(struct poison *poison, uint64_t hash, int64_t now_ns);

/* Forgets what is old; true when a request is no longer refused. */
bool poison_forget(struct poison *poison, int64_t now_ns);

/* How many requests are refused. */
uint32_t poison_refused(const struct poison *poison);

/* Tells the workers of a scoreboard: at most SCOREBOARD_POISON_MAX, those that killed last. */
void poison_publish(const struct poison *poison, struct scoreboard *board);

#endif
