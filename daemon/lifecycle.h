/*
 * The lives of a child process and of a generation, as tables: a state and an event give the next state and what to do.
 * Pure: the callers do what the action says.
 */
#ifndef COWHERD_LIFECYCLE_H
#define COWHERD_LIFECYCLE_H

#include <stdbool.h>

enum child_state {
    CHILD_STARTING, /* ordered or forked, not yet reported in */
    CHILD_SERVING,  /* accepts connections; idle or busy is its own to tell, in its slot of the scoreboard */
    CHILD_DRAINING, /* accepts no more, finishes what it has */
    CHILD_KILLED,   /* SIGKILL is on its way */
    CHILD_GONE,     /* reaped */
    CHILD_STATES
};

enum child_event {
    CHILD_READY,    /* it reported in */
    CHILD_DRAIN,    /* its generation ends, or it is to be replaced */
    CHILD_DEADLINE, /* it took too long to start or to drain */
    CHILD_KILL,     /* stop now */
    CHILD_EXIT,     /* reaped, or never came to be */
    CHILD_EVENTS
};

enum child_action {
    CHILD_DO_NOTHING,
    CHILD_DO_ANNOUNCE, /* one worker more serves */
    CHILD_DO_DRAIN,    /* send DRAIN */
    CHILD_DO_KILL,     /* send SIGKILL */
    CHILD_DO_REPLACE,  /* bury it; it was wanted, so fork another */
    CHILD_DO_BURY,     /* bury it; it had been told to go */
    CHILD_ACTIONS
};

enum child_action child_step(enum child_state *state, enum child_event event);
const char *child_state_name(enum child_state state);

enum generation_state {
    GENERATION_LOADING, /* the mold loads the apps */
    GENERATION_WARMING, /* loaded; its first worker answers the warm-up requests */
    GENERATION_READY,   /* loaded and warm; its workers are coming in */
    GENERATION_SERVING,
    GENERATION_DRAINING,
    GENERATION_GONE,   /* every process of it is reaped */
    GENERATION_FAILED, /* it never served; what is left of it is being ended */
    GENERATION_STATES
};

enum generation_event {
    GENERATION_LOADED,     /* the mold has loaded */
    GENERATION_WARM,       /* the warm-up requests are answered, or there are none */
    GENERATION_WORKERS_IN, /* as many workers as wanted serve */
    GENERATION_FAIL,       /* a process of it failed before it served, or it took too long */
    GENERATION_DRAIN,      /* a newer one serves, or the pool ends */
    GENERATION_EMPTY,      /* its last process is reaped */
    GENERATION_EVENTS
};

enum generation_action {
    GENERATION_DO_NOTHING,
    GENERATION_DO_WARM,    /* have the first worker answer the warm-up requests */
    GENERATION_DO_FORK,    /* order its workers */
    GENERATION_DO_PROMOTE, /* it serves: drain the one before it, tell who asked */
    GENERATION_DO_ABANDON, /* end its processes (what serves, gently), tell who asked why */
    GENERATION_DO_DRAIN,   /* drain its workers, let its mold go */
    GENERATION_DO_FREE,    /* nothing is left of it */
    GENERATION_ACTIONS
};

enum generation_action generation_step(enum generation_state *state, enum generation_event event);
const char *generation_state_name(enum generation_state state);

/* It has neither served nor failed yet. */
bool generation_is_coming(enum generation_state state);

#endif
