/* The environment that cowherd-mold is exec'd with. */
#ifndef COWHERD_MOLD_ENVIRONMENT_H
#define COWHERD_MOLD_ENVIRONMENT_H

#include "config.h"

/*
 * `outer` (cowherd's own) without what a service manager or start_server tells the supervisor, with what the pool's
 * malloc needs: `library` (NULL: none) ahead of LD_PRELOAD, and its settings. Those of the pool's `env:` (MALLOC_*,
 * MIMALLOC_*, GLIBC_TUNABLES) count for more, then those of `outer`. What was replaced stands under
 * OUTER_ENVIRONMENT_PREFIX. Free with mold_environment_free.
 */
char **mold_environment(char *const *outer, const struct config_pool *pool, const char *library);
void mold_environment_free(char **environment);

#endif
