/*
 * The supervisor's state: all that another supervisor needs to go on with the same children, sockets and books. What
 * can be found again, and what waits on the control socket for an outcome, is not part of it.
 */
#ifndef COWHERD_STATE_H
#define COWHERD_STATE_H

#include "state_text.h"

struct supervisor;

void state_save(const struct supervisor *supervisor, struct state_writer *writer);

/*
 * Builds the state in a supervisor that has a loop and nothing else. It watches and waits for everything from then on,
 * but does nothing yet that a child or a client could notice: that begins with state_resume. false: reader->error says
 * why; the supervisor is of no use then.
 */
bool state_adopt(struct supervisor *supervisor, struct state_reader *reader);

/* Takes up the timers that act at once. */
void state_resume(struct supervisor *supervisor);

#endif
