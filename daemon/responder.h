/*
 * A small FastCGI server for processes that stand beside the workers (the fallback, the status): it accepts, follows
 * the records of one request a connection, keeps each client to a deadline and sends the answer as the client takes it.
 * While all places are taken, and after accept(2) has failed, it does not listen.
 */
#ifndef COWHERD_RESPONDER_H
#define COWHERD_RESPONDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allow.h"
#include "loop.h"
#include "responder_request.h"
#include "scoreboard.h"
#include "strbuf.h"

#define RESPONDER_CLIENTS_MAX 128

struct responder;

struct responder_client {
    struct responder *responder;
    struct loop_source source; /* fd -1: nobody */
    struct loop_timer deadline;
    struct responder_request request;
    struct strbuf params; /* the content of its PARAMS, when they are kept */
    struct strbuf answer; /* records that have not left yet */
    bool waiting;         /* the owner answers later */
    bool over;            /* nothing more is to come from it */
};

struct responder {
    /* The owner's, set before responder_open. */
    struct loop *loop;
    size_t head_max;                /* bytes of records before a request's answer */
    int64_t head_ns;                /* for a head to come */
    int64_t answer_ns;              /* for an answer to be made, and to be taken */
    bool keeps_params;              /* what is asked decides the answer */
    const struct allow_list *allow; /* NULL: everybody may connect */
    struct slot *slot;              /* counts management, malformed and late; NULL: nobody does */
    /* A head is whole: append to client->answer and call responder_answered, or set client->waiting to do so later. */
    void (*asked)(struct responder_client *client);
    /* One that waits has waited for answer_ns: it is to be answered now. NULL when none ever waits. */
    void (*late)(struct responder_client *client);
    /* The module's own. */
    struct responder_listener *listeners;
    size_t listener_count;
    uint8_t *room; /* for what comes with a connection of a queue */
    size_t room_size;
    bool listening;
    bool leaving;
    struct loop_timer again; /* to listen again; when leaving: to be gone */
    struct responder_client clients[RESPONDER_CLIENTS_MAX];
    unsigned client_count;
};

/* The number in `text` as a descriptor that is not handed on; ends the process, telling who starts it, for any other.
 */
int responder_descriptor(const char *text, const char *command);

/* Before responder_open. The descriptor stays the caller's. */
void responder_add_listener(struct responder *responder, int fd);
/* The same with a queue of connections that others have accepted (handed.h), with `room` bytes for what was received.
 */
void responder_add_queue(struct responder *responder, int fd, size_t room);
/* Listens from now on. */
void responder_open(struct responder *responder);

/*
 * Sends what the owner has put into client->answer. The client may be gone after it. Returns whether all has left with
 * this call.
 */
bool responder_answered(struct responder_client *client);

/* Those that wait, one after the other: the first for NULL, NULL after the last. */
struct responder_client *responder_next_waiting(struct responder *responder, struct responder_client *after);

/*
 * Listens no more, after taking those that have connected, when `take_backlog`; the loop ends with the last client.
 * `within_ns` (0: without a limit) ends it also when some are left. Can be called again.
 */
void responder_leave(struct responder *responder, bool take_backlog, int64_t within_ns);
/* Closes all connections and forgets the listeners. */
void responder_close(struct responder *responder);

#endif
