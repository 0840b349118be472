/*
 * The mold: loads the apps of one pool once, then only forks workers on command, until the supervisor goes away or lets
 * it go (end of file on its channel).
 */
#ifndef COWHERD_MOLD_H
#define COWHERD_MOLD_H

#include "config.h"

struct mold_options {
    const struct config *config;
    struct config_pool *pool;
    int scoreboard;
    int channel;
    const int *listeners;
    size_t listener_count; /* one name in pool->listen can stand for several */
    const int *stores;     /* store_prepare's */
    size_t store_count;
    int access_log; /* -1: none */
    int handback;   /* of the pool's workers (handback.h); -1: none */
    unsigned generation;
    unsigned long descriptor_limit; /* soft RLIMIT_NOFILE, until rlimits says otherwise; 0: as inherited */
    bool tell_files;                /* the supervisor is told of each Ruby file that is loaded */
};

/* The exit status of the mold, and, in each worker that it forks, of the worker. */
int mold_run(const struct mold_options *options);

#endif
