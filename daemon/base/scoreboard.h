/*
 * The scoreboard: one shared memory map for each generation, a slot for each worker. Every field has one writer: the
 * worker, but for those marked "supervisor", which are written while no worker owns the slot. No locks; the supervisor
 * clears a slot only after it has reaped the process.
 */
#ifndef COWHERD_SCOREBOARD_H
#define COWHERD_SCOREBOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum slot_state {
    SLOT_FREE,
    SLOT_STARTING,
    SLOT_IDLE,
    SLOT_BUSY,     /* in a request */
    SLOT_DRAINING, /* no new connections, finishing the old ones */
};

/* "free", "starting", "idle", "busy", "draining". */
const char *slot_state_name(uint32_t state);

#define SCOREBOARD_NO_APP UINT32_MAX
#define SLOT_REQUEST_SIZE 192
#define SCOREBOARD_POISON_MAX 15

struct slot {
    /* supervisor */
    _Atomic uint32_t generation;
    _Atomic uint32_t number;        /* the worker's ordinal in its pool, for people */
    _Atomic uint32_t drain;         /* not 0: accept no more. Set for a living worker, ahead of the DRAIN message */
    _Atomic uint64_t request_limit; /* requests after which the worker leaves, 0: none. Lifted for a living worker when
                                       nothing could replace it */
    _Atomic uint64_t overdue_sequence; /* request_sequence of a request that has run for too long: written before
                                          SIGALRM is sent */

    /* worker, life */
    _Atomic uint32_t state; /* enum slot_state */
    _Atomic uint32_t app;   /* index into the generation's apps, SCOREBOARD_NO_APP when none */
    _Atomic int64_t ready_ns;
    _Atomic int64_t request_started_ns; /* of the request in hand, 0 when idle */
    _Atomic uint64_t request_sequence;  /* +1 at the start of each request */
    _Atomic uint64_t request_bytes_out; /* bytes of the answer in hand that have left, or may be leaving; 0: none */
    _Atomic uint64_t request_hash;      /* that the supervisor knows it by when it comes again; 0: none yet */
    _Atomic uint32_t request_id;        /* FastCGI's, of the request in hand */
    _Atomic int32_t request_fd;         /* the connection in hand, in the worker's table; -1 when idle */
    _Atomic uint32_t connections;       /* open ones, idle kept ones included */
    _Atomic uint32_t handing;           /* not 0: a connection may be on its way to another worker at this moment */
    _Atomic uint32_t connections_max;   /* so many it takes from its listeners; 0: not told */

    /* worker, the ledger: accepted = completed + error_answered + client_gone (+ one in hand, + lost) */
    _Alignas(64) _Atomic uint64_t accepted; /* complete heads */
    _Atomic uint64_t completed;
    _Atomic uint64_t error_answered; /* 5xx made by cowherd: exception, time-out, no app's answer */
    _Atomic uint64_t client_gone;    /* the client left before the answer had */

    /* worker, what never became a request */
    _Atomic uint64_t malformed;  /* connections closed for a protocol error */
    _Atomic uint64_t late;       /* connections closed at a header or idle deadline */
    _Atomic uint64_t management; /* FCGI_GET_VALUES and unknown types answered */

    /* worker, the collector */
    _Alignas(64) _Atomic uint64_t gc_count;
    _Atomic uint64_t gc_pause_us_max;
    _Atomic uint64_t gc_live;
    _Atomic uint64_t gc_slots;
    _Atomic uint64_t allocator_used; /* bytes in living blocks of malloc(3), and bytes beside them, as of a moment */
    _Atomic uint64_t allocator_free; /* ago; both 0: not yet, or the allocator doesn't tell */
    _Atomic uint64_t symbols;        /* interned since the fork, all interpreters together */
    _Atomic uint64_t out_of_memory;  /* how often there was no more */

    /* worker: "GET host/path" of the request in hand or the last one, cut, NUL-terminated; for obituaries */
    _Alignas(64) char request[SLOT_REQUEST_SIZE];
};

struct scoreboard {
    _Atomic uint32_t slots; /* capacity, constant; the supervisor relies on its own copy, workers can write this one */

    /* supervisor: hashes of the requests that are refused, because they kill their workers. Between two changes a
       worker may see one of the old with the new */
    _Atomic uint32_t poison_count;
    _Atomic uint64_t poison[SCOREBOARD_POISON_MAX];
    /* supervisor, or a worker whose supervisor is gone. Not 0: no generation comes after this one */
    _Atomic uint32_t last;

    _Alignas(64) struct slot slot[];
};

/*
 * Makes a scoreboard of `slots` cleared slots on a memfd (close-on-exec), stored in *fd (the caller's). NULL with errno
 * on failure. scoreboard_attach maps one that was inherited (EINVAL: that is no scoreboard). scoreboard_detach(NULL) is
 * fine.
 */
struct scoreboard *scoreboard_create(uint32_t slots, int *fd);
struct scoreboard *scoreboard_attach(int fd);
void scoreboard_detach(struct scoreboard *board);

/* Maps one that this process made as another program; `slots` is what it was made with. NULL with errno. */
struct scoreboard *scoreboard_adopt(int fd, uint32_t slots);
/* Changes with the layout of a slot. */
uint64_t scoreboard_fingerprint(void);

/* One more. By the field's only writer. */
static inline void scoreboard_count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Is there a worker beside that of `own` that serves, and is not to drain? false for NULL. */
bool scoreboard_another_serves(const struct scoreboard *board, const struct slot *own);

/* Is there one such that can have more connections open? false for NULL. */
bool scoreboard_another_has_room(const struct scoreboard *board, const struct slot *own);

/*
 * Does somebody else take the connections that the worker of `own` gives away (handback.h)? A worker beside it, or,
 * when it is told to drain, one of the next generation, be it still to start.
 */
bool scoreboard_others_take(const struct scoreboard *board, const struct slot *own);

/* Makes a slot free, all figures 0, no app, no request. Only for a slot without a living worker. */
void scoreboard_clear(struct slot *slot);

#endif
