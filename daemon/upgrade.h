/*
 * USR2: another program takes the supervisor's place in its process. The file at the path that the supervisor was
 * started from is tried first: a child runs it as `cowherd check-upgrade`, which takes over a copy of everything and
 * leaves. Then it is exec'd, with the state (state.h) in a memfd; children stay children, descriptors stay open. When
 * it can't take over it executes the program before it, whose descriptor was kept.
 */
#ifndef COWHERD_UPGRADE_H
#define COWHERD_UPGRADE_H

#include <stdbool.h>
#include <sys/types.h>

#include "loop.h"
#include "ticket.h"

/* Variables of the environment by which one program hands over to another; nobody else ever sees them. */
#define UPGRADE_HANDED "COWHERD_UPGRADE"
#define UPGRADE_FAILURE "COWHERD_UPGRADE_FAILURE"

struct supervisor;
struct state_reader;

struct upgrade {
    char *program;   /* the path that is exec'd */
    int self;        /* the program that runs */
    pid_t trial;     /* 0: none */
    int trial_state; /* what it is given, and the memfd that it writes to */
    int trial_said;
    bool out_of_time;           /* the trial was killed for it */
    struct loop_timer deadline; /* of the trial */
    struct loop_timer replace;  /* at the loop's next turn */
    struct loop_timer wait;     /* the next look whether there is still something that can't be carried */
    int64_t patience_ns;        /* until when that is waited for; 0: it is not */
    struct ticket_list tickets; /* who waits for the outcome */
};

/* Finds out what runs. Without the means to come back upgrades are refused. */
void upgrade_init(struct supervisor *supervisor);
void upgrade_free(struct supervisor *supervisor);

/*
 * Begins with the trial, as soon as everything can be carried: a generation that is warmed up or comes in one by one is
 * waited for, for as long as it may take by restart.ready_timeout. The ticket (may be NULL) is settled with the
 * outcome, perhaps by the program that comes.
 */
void upgrade_start(struct supervisor *supervisor, struct ticket *ticket);
/* Whoever waits is told `reason`. */
void upgrade_cancel(struct supervisor *supervisor, const char *reason);
/* Takes a reaped process: true when it was the trial. */
bool upgrade_reaped(struct supervisor *supervisor, pid_t pid, int status);

/* What this program was handed. */
struct upgrade_handed {
    int state;
    int before;    /* the program before it; -1: it is that program, and the other one has failed */
    char *failure; /* then: why. free(3) */
};

/* false: it was started, not handed anything. Otherwise its environment is as it was without. */
bool upgrade_was_handed(struct upgrade_handed *handed);
/* The state's text; free(3). NULL with errno. */
char *upgrade_read_state(int fd);
/* Lets the program before this one go on. Returns only when that is impossible. */
void upgrade_return(const struct upgrade_handed *handed, const char *config_path, const char *reason);
/* It has taken over what the reader has read: from now on these descriptors are its own. Tells who waits. */
void upgrade_done(struct supervisor *supervisor, const struct upgrade_handed *handed,
                  const struct state_reader *reader);

/* The hidden command. `number`: of the state's descriptor. Exit status. */
int upgrade_check(const char *number);

#endif
