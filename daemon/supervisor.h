/*
 * The supervisor: sequences configuration, listeners, pools, signals and the control socket. It never runs Ruby.
 */
#ifndef COWHERD_SUPERVISOR_H
#define COWHERD_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "announce.h"
#include "config.h"
#include "listener.h"
#include "loop.h"
#include "oom_watch.h"
#include "pool.h"
#include "sampler.h"
#include "socket_files.h"
#include "status_server.h"
#include "ticket.h"
#include "upgrade.h"

struct control;
struct dev;

enum supervisor_state { SUPERVISOR_STARTING, SUPERVISOR_RUNNING, SUPERVISOR_STOPPING };

struct supervisor {
    struct loop *loop;
    enum supervisor_state state;
    struct config *config; /* held: the newest that could be read */
    char *config_path;
    struct listener_set listeners;
    struct pool **pools;
    size_t pool_count;
    struct control *control; /* NULL: not there (yet) */
    bool take_control;       /* the control socket and the pid file are a predecessor's until this one is ready */
    bool take_pid_file;
    struct loop_source signals;
    struct loop_timer tick;    /* once a second: counts what has no event of its own */
    struct loop_timer changed; /* at the loop's next turn: a pool came up, failed or is gone */
    struct sampler sampler;
    struct announce announce;
    struct oom_watch oom_watch;
    struct status_server status_server;
    struct socket_files socket_files;
    struct ticket_list stop_tickets;
    struct upgrade upgrade;
    struct dev *dev; /* NULL: it isn't for development */
    int64_t started_ns;
    unsigned long descriptor_limit; /* soft RLIMIT_NOFILE at the start: its children's */
    int exit_status;
};

/* Runs until stopped; for development as dev.h says. The exit status: 0 stopped as asked, 1 could not start, 2 the
 * configuration can't be used. */
int supervisor_run(const char *config_path, bool development);

/* Whether the process is a mold or a worker, of whatever pool. */
bool supervisor_knows_process(const struct supervisor *supervisor, pid_t pid);

/* From here on signals are read in the loop. */
void supervisor_open_signals(struct supervisor *supervisor);

/* Takes the processes that have ended. */
void supervisor_reap(struct supervisor *supervisor);

/* Reads the configuration and reloads one pool (by name) or, with NULL, all. Settles the ticket. */
void supervisor_reload(struct supervisor *supervisor, const char *pool, struct ticket *ticket);

/* Gracefully, or at once. The ticket is settled when everything is gone. */
void supervisor_stop(struct supervisor *supervisor, bool now, struct ticket *ticket);

/* Opens the log files anew and hands the access log to all children. */
void supervisor_reopen_logs(struct supervisor *supervisor);

/* A pool came up, failed or is gone: looked at in the loop's next turn. */
void supervisor_pool_changed(struct supervisor *supervisor);

struct pool *supervisor_add_pool(struct supervisor *supervisor, const char *name);
struct pool *supervisor_pool(const struct supervisor *supervisor, const char *name);

#endif
