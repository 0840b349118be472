/* Giving up privileges: what a mold does before any code of an app runs. */
#ifndef COWHERD_PRIVILEGES_H
#define COWHERD_PRIVILEGES_H

#include "config.h"
#include "strbuf.h"

/*
 * Applies the pool's rlimits, nice, umask, group (with the user's supplementary groups) and user, in this order, and
 * proves that the user can't be changed back. 0, or -1 with `error` filled.
 */
int privileges_apply(const struct config_pool *pool, struct strbuf *error);

#endif
