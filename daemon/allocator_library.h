/* The shared library that a pool's `allocator:` asks for. */
#ifndef COWHERD_ALLOCATOR_LIBRARY_H
#define COWHERD_ALLOCATOR_LIBRARY_H

#include <stdbool.h>

#include "config.h"
#include "strbuf.h"

/*
 * Stores the path of the library in *path (free(3) it), NULL for glibc, which needs none. False when it is missing;
 * `error` then says where the setting stands, what is missing and which package has it.
 */
bool allocator_library(const struct config_pool *pool, char **path, struct strbuf *error);

#endif
