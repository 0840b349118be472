/* Giving up privileges: what a mold does before any code of an app runs. */
#ifndef COWHERD_PRIVILEGES_H
#define COWHERD_PRIVILEGES_H

#include "config.h"
#include "strbuf.h"

/*
 * Applies the pool's rlimits, oom_score_adj, umask, nice, group (with the user's supplementary groups), chroot, user
 * and no_new_privs, in this order, gives up all capabilities unless the user is root, and proves that the user can't be
 * changed back. Paths of the pool are those inside the chroot from then on (chroot.h). 0, or -1 with `error` filled.
 */
int privileges_apply(const struct config_pool *pool, struct strbuf *error);

#endif
