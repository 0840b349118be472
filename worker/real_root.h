/* Roots of apps that are symbolic links, as deploys switch them. */
#ifndef COWHERD_REAL_ROOT_H
#define COWHERD_REAL_ROOT_H

#include "config.h"

/*
 * Names what lies below each app's root by where that root really is now. So a generation keeps to the release that it
 * has loaded, for files too that it comes to later, when the link leads elsewhere. A root that can't be resolved stays
 * as it is. To be called as the pool's user, after chroot_rename_paths.
 */
void real_root_rename_paths(struct config_pool *pool);

#endif
