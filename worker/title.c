#include "title.h"

#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <bsd/unistd.h>

/* Holds the longest state, its brackets and a NUL. */
#define STATE_SIZE 16

static char *title; /* what ps reads: the memory of main's arguments */
static char *state_place;

void title_init(int argc, char **argv, char **environment)
{
    title = argv[0];
    setproctitle_init(argc, argv, environment);
}

void title_mold(const char *pool, unsigned generation)
{
    setproctitle("-cowherd: %s gen %u mold", pool, generation);
}

void title_worker(const char *pool, unsigned generation, unsigned worker)
{
    state_place = NULL;
    /* The padding reserves the place; when the memory was too short for it, the title stays without a state. */
    setproctitle("-cowherd: %s gen %u worker %u (%-*s", pool, generation, worker, STATE_SIZE, "starting)");
    size_t length = strlen(title);
    char *bracket = strrchr(title, '(');
    if (bracket && (size_t)(title + length - bracket) == STATE_SIZE + 1) {
        state_place = bracket + 1;
        title_state("starting");
    }
}

void title_state(const char *state)
{
    if (!state_place)
        return;
    size_t length = strlen(state);
    if (length > STATE_SIZE - 2)
        length = STATE_SIZE - 2;
    memcpy(state_place, state, length);
    state_place[length] = ')';
    memset(state_place + length + 1, '\0', STATE_SIZE - length - 1);
}
