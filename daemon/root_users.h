/* Whose code runs as root. */
#ifndef COWHERD_ROOT_USERS_H
#define COWHERD_ROOT_USERS_H

#include <stdbool.h>

#include "config.h"
#include "strbuf.h"

/*
 * Whether the caller is root and pools don't say whom their apps' code is to run as: a line for each such pool is
 * appended to `text`, with the place and what to do. `user: root` is an answer, too.
 */
bool root_users_unasked(const struct config *config, struct strbuf *text);

#endif
