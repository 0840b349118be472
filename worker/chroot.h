/* Paths of a pool whose mold and workers have another root directory. */
#ifndef COWHERD_CHROOT_H
#define COWHERD_CHROOT_H

#include "config.h"

/*
 * Rewrites what the pool loads, below pool->chroot all of it (config_check has seen to that), to how it is named
 * inside. Nothing without a chroot. pool->chroot itself is kept.
 */
void chroot_rename_paths(struct config_pool *pool);

#endif
