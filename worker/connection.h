/*
 * A worker's open connections. Each one waits for something until a deadline; all that wait for the same thing have the
 * same time, so that every kind of waiting is a list in order of its deadlines: constant time whatever comes, however
 * many are idle.
 */
#ifndef COWHERD_CONNECTION_H
#define COWHERD_CONNECTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an epoll event is about: the first member of everything that is registered. */
enum event_source { SOURCE_LISTENER, SOURCE_CHANNEL, SOURCE_CONNECTION };

enum connection_wait {
    WAIT_HEAD,   /* a new connection, or one with a part of a head */
    WAIT_BODY,   /* a whole head, and a part of a small body */
    WAIT_IDLE,   /* kept, nothing of the next request has come */
    WAIT_LINGER, /* shut down for writing; what comes is thrown away */
    WAIT_KINDS,
    WAIT_NOTHING = WAIT_KINDS, /* in hand */
};

struct connection {
    enum event_source source;
    int fd; /* -1: closed, see connection_release */
    enum connection_wait wait;
    bool registered;     /* with epoll */
    bool exposed;        /* nothing has come, and no copy of it would outlive this worker (deposit.h) */
    bool deposited;      /* a copy is in the escrow */
    bool taken;          /* from another worker, which may have it open for a moment longer */
    bool begun;          /* something of a request has been received, or is being thrown away (unbegun.h) */
    int64_t deadline_ns; /* 0: none */
    int64_t received_ns; /* first byte of the present head; 0: nothing has come */
    uint8_t *saved;      /* what has come and is not yet a request; NULL when saved_length is 0 */
    size_t saved_length;
    struct connection *previous, *next;
};

struct connection_table {
    int epoll_fd;
    int64_t timeouts_ns[WAIT_KINDS]; /* 0: no deadline */
    unsigned limit;
    unsigned count;
    size_t saved_bytes;
    _Atomic uint32_t *published; /* takes `count` */
    struct {
        struct connection *first, *last;
        unsigned count;
    } waiting[WAIT_KINDS];
    struct connection *closed; /* through `next` */
    int escrow;                /* -1: none */
    unsigned exposed;          /* connections */
    unsigned deposits; /* copies in the escrow, and those of them that are of no use any more; as far as known: */
    unsigned decided;  /* the supervisor puts some in, too */
};

/* Takes `fd` over. The connection waits for nothing yet. */
struct connection *connection_open(struct connection_table *table, int fd);

/* Closes the descriptor; the struct stays until connection_release, for events that are still to be looked at. */
void connection_close(struct connection_table *table, struct connection *connection);
void connection_release(struct connection_table *table);

/*
 * Waits for input until the kind's time is over, counted from `now_ns`; one that already waits for the same keeps its
 * deadline. false: epoll has no room; the connection was closed.
 */
bool connection_await(struct connection_table *table, struct connection *connection, enum connection_wait wait,
                      int64_t now_ns);

/*
 * Waits as it did in another worker, whose mark it may bear (unbegun.h) and whose bytes are saved here already. false:
 * as above.
 */
bool connection_resume(struct connection_table *table, struct connection *connection, enum connection_wait wait,
                       int64_t deadline_ns);

/* Waiting ones whose descriptor is -1 have gone to another worker: they are forgotten. */
void connection_forget_given(struct connection_table *table);

/* Whoever waits for `wait`, now or later, has at most `timeout_ns` from now on. */
void connection_hurry(struct connection_table *table, enum connection_wait wait, int64_t timeout_ns, int64_t now_ns);

/* It no longer waits: its next waiting starts a new deadline. */
void connection_take(struct connection_table *table, struct connection *connection);

/* To be called before anything is received, and after it when there was nothing. */
void connection_begin(struct connection_table *table, struct connection *connection);
void connection_unbegin(struct connection_table *table, struct connection *connection);

/* Replaces what is saved by a copy of `bytes`; length 0 drops it. */
void connection_save(struct connection_table *table, struct connection *connection, const uint8_t *bytes,
                     size_t length);

/* The earliest deadline, 0 when there is none; a connection whose deadline has come, NULL when there is none. */
int64_t connection_next_deadline(const struct connection_table *table);
struct connection *connection_expired(const struct connection_table *table, int64_t now_ns);

#endif
