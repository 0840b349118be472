#include "lifecycle.h"

struct child_cell {
    enum child_state next;
    enum child_action action;
};

#define STAY(state)                                                                                                    \
    {                                                                                                                  \
        state, CHILD_DO_NOTHING                                                                                        \
    }

/* A worker that reports in after it was told to go has the order in its channel already: nothing more to do. */
static const struct child_cell child_table[CHILD_STATES][CHILD_EVENTS] = {
    [CHILD_STARTING] = { [CHILD_READY] = { CHILD_SERVING, CHILD_DO_ANNOUNCE },
                         [CHILD_DRAIN] = { CHILD_DRAINING, CHILD_DO_DRAIN },
                         [CHILD_DEADLINE] = { CHILD_KILLED, CHILD_DO_KILL },
                         [CHILD_KILL] = { CHILD_KILLED, CHILD_DO_KILL },
                         [CHILD_EXIT] = { CHILD_GONE, CHILD_DO_REPLACE } },
    [CHILD_SERVING] = { [CHILD_READY] = STAY(CHILD_SERVING),
                        [CHILD_DRAIN] = { CHILD_DRAINING, CHILD_DO_DRAIN },
                        [CHILD_DEADLINE] = STAY(CHILD_SERVING),
                        [CHILD_KILL] = { CHILD_KILLED, CHILD_DO_KILL },
                        [CHILD_EXIT] = { CHILD_GONE, CHILD_DO_REPLACE } },
    [CHILD_DRAINING] = { [CHILD_READY] = STAY(CHILD_DRAINING),
                         [CHILD_DRAIN] = STAY(CHILD_DRAINING),
                         [CHILD_DEADLINE] = { CHILD_KILLED, CHILD_DO_KILL },
                         [CHILD_KILL] = { CHILD_KILLED, CHILD_DO_KILL },
                         [CHILD_EXIT] = { CHILD_GONE, CHILD_DO_BURY } },
    [CHILD_KILLED] = { [CHILD_READY] = STAY(CHILD_KILLED),
                       [CHILD_DRAIN] = STAY(CHILD_KILLED),
                       [CHILD_DEADLINE] = STAY(CHILD_KILLED),
                       [CHILD_KILL] = STAY(CHILD_KILLED),
                       [CHILD_EXIT] = { CHILD_GONE, CHILD_DO_BURY } },
    [CHILD_GONE] = { [CHILD_READY] = STAY(CHILD_GONE),
                     [CHILD_DRAIN] = STAY(CHILD_GONE),
                     [CHILD_DEADLINE] = STAY(CHILD_GONE),
                     [CHILD_KILL] = STAY(CHILD_GONE),
                     [CHILD_EXIT] = STAY(CHILD_GONE) },
};

enum child_action child_step(enum child_state *state, enum child_event event)
{
    const struct child_cell *cell = &child_table[*state][event];
    *state = cell->next;
    return cell->action;
}

const char *child_state_name(enum child_state state)
{
    static const char *const names[CHILD_STATES] = {
        [CHILD_STARTING] = "starting", [CHILD_SERVING] = "serving", [CHILD_DRAINING] = "draining",
        [CHILD_KILLED] = "killed",     [CHILD_GONE] = "gone",
    };
    return names[state];
}

#undef STAY
#define STAY(state)                                                                                                    \
    {                                                                                                                  \
        state, GENERATION_DO_NOTHING                                                                                   \
    }

struct generation_cell {
    enum generation_state next;
    enum generation_action action;
};

/* A generation that is told to drain before it ever served has failed for those who wait for it. */
static const struct generation_cell generation_table[GENERATION_STATES][GENERATION_EVENTS] = {
    [GENERATION_LOADING] = { [GENERATION_LOADED] = { GENERATION_WARMING, GENERATION_DO_WARM },
                             [GENERATION_WARM] = STAY(GENERATION_LOADING),
                             [GENERATION_WORKERS_IN] = STAY(GENERATION_LOADING),
                             [GENERATION_FAIL] = { GENERATION_FAILED, GENERATION_DO_ABANDON },
                             [GENERATION_DRAIN] = { GENERATION_FAILED, GENERATION_DO_ABANDON },
                             [GENERATION_EMPTY] = { GENERATION_FAILED, GENERATION_DO_ABANDON } },
    [GENERATION_WARMING] = { [GENERATION_LOADED] = STAY(GENERATION_WARMING),
                             [GENERATION_WARM] = { GENERATION_READY, GENERATION_DO_FORK },
                             [GENERATION_WORKERS_IN] = STAY(GENERATION_WARMING),
                             [GENERATION_FAIL] = { GENERATION_FAILED, GENERATION_DO_ABANDON },
                             [GENERATION_DRAIN] = { GENERATION_FAILED, GENERATION_DO_ABANDON },
                             [GENERATION_EMPTY] = { GENERATION_FAILED, GENERATION_DO_ABANDON } },
    [GENERATION_READY] = { [GENERATION_LOADED] = STAY(GENERATION_READY),
                           [GENERATION_WARM] = STAY(GENERATION_READY),
                           [GENERATION_WORKERS_IN] = { GENERATION_SERVING, GENERATION_DO_PROMOTE },
                           [GENERATION_FAIL] = { GENERATION_FAILED, GENERATION_DO_ABANDON },
                           [GENERATION_DRAIN] = { GENERATION_FAILED, GENERATION_DO_ABANDON },
                           [GENERATION_EMPTY] = { GENERATION_FAILED, GENERATION_DO_ABANDON } },
    [GENERATION_SERVING] = { [GENERATION_LOADED] = STAY(GENERATION_SERVING),
                             [GENERATION_WARM] = STAY(GENERATION_SERVING),
                             [GENERATION_WORKERS_IN] = STAY(GENERATION_SERVING),
                             [GENERATION_FAIL] = STAY(GENERATION_SERVING),
                             [GENERATION_DRAIN] = { GENERATION_DRAINING, GENERATION_DO_DRAIN },
                             [GENERATION_EMPTY] = STAY(GENERATION_SERVING) },
    [GENERATION_DRAINING] = { [GENERATION_LOADED] = STAY(GENERATION_DRAINING),
                              [GENERATION_WARM] = STAY(GENERATION_DRAINING),
                              [GENERATION_WORKERS_IN] = STAY(GENERATION_DRAINING),
                              [GENERATION_FAIL] = STAY(GENERATION_DRAINING),
                              [GENERATION_DRAIN] = STAY(GENERATION_DRAINING),
                              [GENERATION_EMPTY] = { GENERATION_GONE, GENERATION_DO_FREE } },
    [GENERATION_GONE] = { [GENERATION_LOADED] = STAY(GENERATION_GONE),
                          [GENERATION_WARM] = STAY(GENERATION_GONE),
                          [GENERATION_WORKERS_IN] = STAY(GENERATION_GONE),
                          [GENERATION_FAIL] = STAY(GENERATION_GONE),
                          [GENERATION_DRAIN] = STAY(GENERATION_GONE),
                          [GENERATION_EMPTY] = STAY(GENERATION_GONE) },
    [GENERATION_FAILED] = { [GENERATION_LOADED] = STAY(GENERATION_FAILED),
                            [GENERATION_WARM] = STAY(GENERATION_FAILED),
                            [GENERATION_WORKERS_IN] = STAY(GENERATION_FAILED),
                            [GENERATION_FAIL] = STAY(GENERATION_FAILED),
                            [GENERATION_DRAIN] = STAY(GENERATION_FAILED),
                            [GENERATION_EMPTY] = { GENERATION_FAILED, GENERATION_DO_FREE } },
};

enum generation_action generation_step(enum generation_state *state, enum generation_event event)
{
    const struct generation_cell *cell = &generation_table[*state][event];
    *state = cell->next;
    return cell->action;
}

const char *generation_state_name(enum generation_state state)
{
    static const char *const names[GENERATION_STATES] = {
        [GENERATION_LOADING] = "loading", [GENERATION_WARMING] = "warming",   [GENERATION_READY] = "ready",
        [GENERATION_SERVING] = "serving", [GENERATION_DRAINING] = "draining", [GENERATION_GONE] = "gone",
        [GENERATION_FAILED] = "failed",
    };
    return names[state];
}

bool generation_is_coming(enum generation_state state)
{
    return state == GENERATION_LOADING || state == GENERATION_WARMING || state == GENERATION_READY;
}
