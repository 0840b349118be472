/* Starting cowherd-mold, and cowherd itself as the fallback. */
#ifndef COWHERD_SPAWN_MOLD_H
#define COWHERD_SPAWN_MOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "config.h"

struct spawn_mold {
    const struct config_pool *pool;
    char *const *environment; /* in place of this process's own */
    const char *library;      /* of the pool's allocator; NULL: none is needed */
    int config;               /* memfd with the pool's canonical configuration */
    int scoreboard;
    int channel;    /* the mold's end */
    int output;     /* becomes its standard output and error */
    int access_log; /* -1: none */
    int handback;   /* the pool's; -1: none */
    const int *listeners;
    size_t listener_count;
    const int *stores; /* of stores_acquire */
    size_t store_count;
    unsigned generation;
    unsigned long descriptor_limit; /* soft RLIMIT_NOFILE that it is to have */
    bool tell_files;                /* of each Ruby file that is loaded (FILE_LOADED) */
};

/* The path of cowherd-mold: beside this program, else in libexec/cowherd beside its folder. NULL with errno; free(3).
 */
char *spawn_mold_path(void);

/*
 * Execs cowherd-mold in a process group of its own with exactly these descriptors (all of them stay the caller's),
 * signals as at start and the environment of mold_environment.h. Its pid, or -1 with errno.
 */
pid_t spawn_mold(const struct spawn_mold *options);

/*
 * Execs this very program as `cowherd fallback` with the pool, config, scoreboard, channel, output, access log and
 * listeners of `options`, in the same way. Its pid, or -1 with errno.
 */
pid_t spawn_fallback(const struct spawn_mold *options);

/*
 * Execs this very program as `cowherd status-server` with these descriptors in the same way, but with an empty
 * environment. Its pid, or -1 with errno.
 */
pid_t spawn_status_server(int listener, int channel, int output);

/*
 * Runs `cowherd-mold --check` on the pool's canonical configuration (a memfd, `config`) with this process's standard
 * output and error, and waits. Its exit status, or -1 with errno.
 */
int spawn_mold_check(const struct config_pool *pool, const char *library, int config);

/* A memfd (close-on-exec) with these bytes, read from the start. -1 with errno. */
int spawn_memfd(const char *name, const char *bytes, size_t length);

#endif
