/*
 * What serves `status.listen`: a process without Ruby and without privileges that speaks FastCGI with whoever asks for
 * the status or the metrics, and asks the supervisor for the text over a channel, one question at a time. It is
 * started, started again and told to leave from here; what it does is in status_server_command.h. However many clients
 * there are and whatever they do, the supervisor has at most one question to answer, and waits for nobody.
 */
#ifndef COWHERD_STATUS_SERVER_H
#define COWHERD_STATUS_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "listener.h"
#include "loop.h"
#include "output.h"

struct state_reader;
struct state_writer;
struct supervisor;

struct status_server {
    struct supervisor *supervisor;
    struct listener_set set;
    struct listener *listener;  /* NULL: nobody listens */
    pid_t pid;                  /* 0: there is none */
    struct loop_source channel; /* fd -1 when closed */
    struct output output;
    int64_t not_before_ns; /* it ended by itself: another one not before this */
    bool complained;       /* that the address can't be had */
};

void status_server_init(struct status_server *server, struct supervisor *supervisor);

/* The configuration has changed: it listens where that says. Where that fails, the old address stays in use. */
void status_server_configured(struct status_server *server);

/* A second has passed, or a socket was removed: tries again what has failed. `watch`: as for listener_look. */
void status_server_look(struct status_server *server, int watch);

/* Takes a reaped process: true when it was this one. */
bool status_server_reaped(struct status_server *server, pid_t pid, int status);

/* For an upgrade (state.h): socket and process go on. */
void status_server_save(const struct status_server *server, struct state_writer *writer);
void status_server_adopt(struct status_server *server, struct supervisor *supervisor, struct state_reader *reader);

/* Ends it, and removes the socket. */
void status_server_close(struct status_server *server);

#endif
