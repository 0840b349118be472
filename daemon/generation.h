/*
 * A generation: one loaded version of a pool, that is a mold and the workers forked from it, with their channels, their
 * output and their scoreboard.
 */
#ifndef COWHERD_GENERATION_H
#define COWHERD_GENERATION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backoff.h"
#include "config.h"
#include "lifecycle.h"
#include "listener.h"
#include "loop.h"
#include "memory_meter.h"
#include "output.h"
#include "overdue.h"
#include "poison.h"
#include "recycle.h"
#include "rescue.h"
#include "scaler.h"
#include "scoreboard.h"
#include "strbuf.h"
#include "ticket.h"
#include "warm_up.h"

struct pool;
struct trace;
struct message;

struct worker {
    struct generation *generation;
    struct slot *slot;
    uint32_t index; /* of the slot; the worker's number for people */
    enum child_state state;
    bool in_use;
    pid_t pid;                      /* 0 until the mold has told it */
    struct loop_source channel;     /* fd -1 when closed */
    int escrow;                     /* -1: none */
    bool rescued;                   /* connections have been had from itself: all, those in the escrow, too, or */
    struct handed_over handed_over; /* these, when there are any */
    unsigned given;                 /* connections that it was sent, and may not have read yet */
    struct output output;
    struct loop_timer deadline; /* of its start, or of its draining */
    int64_t started_ns;         /* when it was ordered */
    int64_t ready_after_ns;     /* from the order until it had reported in; 0: not yet */
    const char *told_to_go;     /* why it was told to leave, NULL when it was not */
    struct memory_figures memory;
    int64_t measured_ns;          /* 0: not yet */
    struct ticket_list measures;  /* who waits for its answer to MEASURE */
    struct ticket_list maps;      /* ... and to MAP_HEAP, with */
    int map_fd;                   /* the file that it writes; -1: none */
    uint64_t private_at_first;    /* memory.private_bytes when it was measured first */
    struct overdue_watch overdue; /* its request in hand */
    int64_t stopped_ns; /* when it was first sent SIGSTOP because of the request `stopped_in`; 0: it was not */
    uint64_t stopped_in;
    bool answered_late;           /* that was answered in its stead */
    bool killed_for_memory;       /* by the kernel */
    bool start_failed;            /* a worker_start hook of it has */
    struct recycle_limits limits; /* its own, drawn when it was ordered */
    bool almost_done;             /* it has told so */
    bool lacks_access_log;        /* there was no room in its channel for the reopened one */
    enum recycle_reason replaced; /* it is, or was, to be replaced */
    char replaced_because[120];   /* told_to_go then */
    struct trace *trace;          /* it traces writes (trace.h), and is none of those that are wanted; else NULL */
};

struct mold {
    pid_t pid; /* 0: not there */
    struct loop_source channel;
    struct output output;
    int64_t started_ns;
    bool leaving;           /* by itself, or reaped and not yet buried: it gets no SIGKILL */
    bool lacks_access_log;  /* as a worker */
    const char *told_to_go; /* why it was sent SIGKILL, NULL when it was not */
    struct memory_figures memory;
    int64_t measured_ns;
    struct ticket_list measures; /* who waits for its answer to MEASURE */
};

struct generation {
    struct pool *pool;
    struct generation *next; /* older */
    unsigned number;
    enum generation_state state;
    struct config *config; /* held */
    const struct config_pool *settings;
    struct listener **listeners; /* held */
    size_t listener_count;
    struct scoreboard *board;
    int board_fd;
    struct mold mold;
    struct worker *workers; /* as many as the board has slots */
    uint32_t worker_slots;
    struct loop_timer deadline;  /* to be ready, or to be drained */
    struct loop_timer refill;    /* a worker that died is replaced after a pause */
    struct loop_timer time_outs; /* the next look at the requests in hand */
    struct loop_timer handover;  /* until the generations before accept no more */
    int64_t handover_began_ns;
    struct loop_timer empty; /* at the loop's next turn: is anything left of it? */
    struct backoff deaths;   /* of workers in a row that died young */
    int64_t short_told_ns;   /* when it was last told that no worker can be had for want of something; 0: one can */
    struct poison poison;    /* requests that kill their workers */
    unsigned reported_in;    /* workers that were ready once */
    struct warm_up warm_up;
    bool one_by_one;         /* its workers come one at a time, as those of the one before it go */
    unsigned permitted;      /* then: workers that it may have so far */
    pid_t orphan_group;      /* what the mold's apps have started, once the mold is reaped; 0: ended, or none */
    int64_t asked_ns;        /* when it was asked for */
    int64_t serves_after_ns; /* from then until all its workers were in */
    bool take_backlog;       /* draining: serve what waits in the listen queues first */
    uint64_t load_ns;
    uint64_t region_start;
    uint64_t region_bytes;
    uint64_t region_objects;
    struct scaler scaler;
    struct recycle_budget budget;
    uint64_t budget_taken; /* bytes of it, as they were weighed last */
    bool budget_told;      /* that it can't be kept */
    uint32_t loading_app;  /* the one that the mold is loading; SCOREBOARD_NO_APP before the first */
    bool out_of_time;      /* the mold has been asked where it is */
    struct strbuf error;   /* why it failed */
    struct ticket_list tickets;
};

/*
 * Starts the mold of generation `number` with the pool's settings in `config` and these listeners. The new generation
 * (owned by the pool), or NULL with `error` filled when it could not even be started.
 */
struct generation *generation_start(struct pool *pool, struct config *config, const struct config_pool *settings,
                                    struct listener *const *listeners, size_t listener_count, unsigned number,
                                    struct strbuf *error);

/*
 * One that runs already, with its scoreboard: for who took its supervisor over (state.h), and who fills in the rest.
 * NULL with `error` filled. generation_adopt_mold watches its mold (a descriptor -1: none); false with errno.
 */
struct generation *generation_adopt(struct pool *pool, struct config *config, struct listener *const *listeners,
                                    size_t listener_count, int board, uint32_t slots, struct strbuf *error);
bool generation_adopt_mold(struct generation *generation, int channel, int output);

/* Its mold, or a worker, has told of a file. */
void generation_file_loaded(struct generation *generation, const struct message *message);

/* Something happened; acts as the table says. `reason` (static text) says why, for the log. */
void generation_event(struct generation *generation, enum generation_event event, const char *reason);

/* SIGKILL to all that is left of it, but a mold that is about to leave by itself. */
void generation_kill(struct generation *generation, const char *reason);
/* To its mold alone; `reason` (static text) goes into the obituary. */
void generation_kill_mold(struct generation *generation, const char *reason);

/* A process of it has ended: at the loop's next turn, when it was the last one, the generation is over. */
void generation_check_empty(struct generation *generation);

/* Takes a reaped process: true when it was one of this generation's. */
bool generation_reaped(struct generation *generation, pid_t pid, int status);

/* Reads what the mold has sent so far (before an unknown pid is taken for a stranger). */
void generation_read_mold(struct generation *generation);

/* The supervisor's. */
struct loop *generation_loop(const struct generation *generation);

/* Workers that are in the given state, without one that traces. */
unsigned generation_count(const struct generation *generation, enum child_state state);

/* Sends the access log, which was reopened, to the mold and the workers: now, or when there is room in their channels.
 */
void generation_send_access_log(struct generation *generation);

/* Asks a child to measure itself. */
void generation_ask_memory(struct generation *generation, struct worker *worker_or_null_for_mold);

/* The name of the app a slot names, "" when none. */
const char *generation_app_name(const struct generation *generation, uint32_t app);

/* For the pool: nothing runs any more. Frees. */
void generation_free(struct generation *generation);

#endif
