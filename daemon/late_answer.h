/*
 * The answer to a request whose worker is to be killed, given in the worker's stead on a copy of the connection's
 * descriptor.
 */
#ifndef COWHERD_LATE_ANSWER_H
#define COWHERD_LATE_ANSWER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "scoreboard.h"

enum late_answer {
    LATE_ANSWER_GIVEN,     /* the client has the answer; the worker was sent SIGKILL */
    LATE_ANSWER_NONE,      /* the client has none, *why (static text) says why; the worker was sent SIGKILL */
    LATE_ANSWER_OVER,      /* the request was finished meanwhile: the worker goes on */
    LATE_ANSWER_ASK_AGAIN, /* the worker does not stand still yet, but will: it must be asked for again */
};

/*
 * Stops the child `pid` and, unless request `sequence` of its slot is over, kills it and answers that with `status`
 * where no byte of an answer has left. A worker that can't be stopped yet is killed, unanswered, with the `last_try`
 * only. `before_kill` is called with `data` when it stands still and is to die.
 *
 * Copying the descriptor takes the right to trace the process (pidfd_getfd(2)): CAP_SYS_PTRACE when it runs as another
 * user.
 */
enum late_answer late_answer(pid_t pid, const struct slot *slot, uint64_t sequence, int status, bool last_try,
                             const char **why, void (*before_kill)(void *data), void *data);

#endif
