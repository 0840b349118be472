/*
 * Listening sockets: bound by the supervisor or handed over to it (inherited.h), and passed on to molds and workers. A
 * listener is held by the pools whose configuration names it and by the generations that were given it; the socket file
 * that we made goes when no pool names it any more, the descriptor when nobody holds it. What was handed over is
 * neither removed nor closed.
 */
#ifndef COWHERD_LISTENER_H
#define COWHERD_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config.h"
#include "inherited.h"
#include "listen_queue.h"
#include "strbuf.h"

struct state_reader;
struct state_writer;

/* What is at the path of a listener. */
enum listener_file {
    LISTENER_FILE_GOOD,    /* its socket, or it has no file of its own */
    LISTENER_FILE_MISSING, /* nothing, and the folder is there: it can be bound anew */
    LISTENER_FILE_LOST,    /* somebody else's file, or there is no such folder (any more) */
};

struct listener {
    char *address; /* as in the configuration's canonical form */
    enum config_listen_type type;
    int fd;             /* non-blocking, close-on-exec */
    int backlog;        /* not of an inherited one */
    char *inherited;    /* the address that it was bound to by who handed it over; NULL: we opened it */
    int64_t queue_peak; /* the most connections that were seen waiting */
    /* the socket file that we made, to remove no other */
    bool bound_file;
    dev_t device;
    ino_t inode;
    bool lost;        /* its file, see LISTENER_FILE_LOST */
    unsigned pools;   /* pools that name it */
    unsigned holders; /* pools and generations */
    struct listener *next;
};

/* All listeners of the supervisor. */
struct listener_set {
    struct listener *first;
    struct inherited inherited;
    bool found_stale;         /* a socket file that nobody listened on was there */
    int64_t patient_until_ns; /* until then (clock.h) an address that is in use is tried again */
};

/* How many sockets `listen` stands for: one, or as many as were handed over under its name. At least 1. */
size_t listener_count(const struct listener_set *set, const struct config_listen *listen);

/*
 * The `nth` listener (from 0) of listener_count for `listen`, opened with the settings when there is none yet. A stale
 * socket file is replaced, one that somebody answers on is refused; where ours was removed or replaced, the path is
 * bound anew beside the old listener. One that is there already stays as it is until listener_settle. The result is
 * held for a pool. NULL: `error` says what and why. Nothing else is done while the set is patient.
 */
struct listener *listener_acquire(struct listener_set *set, const struct config_listen *listen, size_t nth,
                                  const struct config_socket *settings, struct strbuf *error);

/* The settings (owner, group, mode, backlog) are in force now. What can't be done is logged. */
void listener_settle(struct listener *listener, const struct config_socket *settings);

/*
 * Looks at its file. A loss is logged once. `watch` (-1: none) is inotify's, which becomes readable when a file that
 * was good here is removed, replaced or moved.
 */
enum listener_file listener_look(struct listener *listener, int watch);

/* Whether one that a pool names has lost its file, as far as listener_look knows. */
bool listeners_lost(const struct listener_set *set);

/* A pool no longer names it (gives back listener_acquire's hold). */
void listener_release_pool(struct listener_set *set, struct listener *listener);

/* A generation holds it. */
void listener_hold(struct listener *listener);
void listener_release(struct listener_set *set, struct listener *listener);

/*
 * For an upgrade (state.h): puts it into the present record; makes it anew from that, in no set and held by nobody.
 * NULL: the reader's error says why.
 */
void listener_save(const struct listener *listener, struct state_writer *writer);
struct listener *listener_adopt(struct state_reader *reader);

/* Logs which of the sockets that were handed over nobody listens on: who connects there waits in vain. */
void listener_warn_unused(const struct listener_set *set);

/* Measures the queue, and its peak on the way. */
struct listen_queue listener_queue(struct listener *listener);

#endif
