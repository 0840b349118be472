/*
 * Opening a file below a directory, with a say in which symbolic links are followed.
 */
#ifndef COWHERD_SCRIPT_OPEN_H
#define COWHERD_SCRIPT_OPEN_H

#include "config.h"

/*
 * `path` is relative, without empty, "." and ".." segments; `flags` are open(2)'s, O_CLOEXEC is added. A link that is
 * followed may lead anywhere. The caller closes the descriptor. -1 with errno: ELOOP for a link that may not be
 * followed, else open(2)'s.
 */
int script_open(int root, const char *path, enum config_follow follow, int flags);

/* The same, segment by segment: what script_open does where the kernel can't or may not do it (openat2(2)). */
int script_open_by_steps(int root, const char *path, enum config_follow follow, int flags);

#endif
