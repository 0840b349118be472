/* What the control socket can be asked for. For control.c, which has the socket and its clients. */
#ifndef COWHERD_CONTROL_COMMANDS_H
#define COWHERD_CONTROL_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

#include "loop.h"
#include "strbuf.h"
#include "ticket.h"

#define CONTROL_ARGUMENTS_MAX 4

struct control;
struct supervisor;

struct client {
    struct control *control;
    struct supervisor *supervisor;
    struct client *next;
    struct loop_source source;
    struct loop_timer deadline; /* for the request's line, then for taking the answer */
    struct strbuf request;
    struct strbuf answer;
    struct ticket *ticket; /* what it waits for */
    /* In place of the ticket's text as the answer; at the deadline (NULL: wait on). */
    void (*settled)(struct client *client);
    void (*late)(struct client *client);
    char *words[CONTROL_ARGUMENTS_MAX + 2]; /* of the request, the command first */
    bool answered;
    bool upgrades; /* it waits for an upgrade */
};

/* The request is a whole line, and is taken apart. The client may be freed. */
void control_run_command(struct client *client);

/* Frees the client at the latest when it has taken the answer. */
void client_answer(struct client *client, bool succeeded, const char *text);

/* A ticket whose outcome is the client's answer; until then it waits, or no longer than `patience_ns`, then for `late`.
 */
struct ticket *client_wait(struct client *client);
struct ticket *client_wait_until_late(struct client *client, int64_t patience_ns, void (*late)(struct client *client));

#endif
