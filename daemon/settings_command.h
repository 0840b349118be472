/* `cowherd settings`: what can be configured. */
#ifndef COWHERD_SETTINGS_COMMAND_H
#define COWHERD_SETTINGS_COMMAND_H

#include <stdbool.h>

#include "strbuf.h"

/*
 * Each setting with its default, when a new value counts, and what it does; `name`: only those whose path, or a part of
 * it behind a dot, begins so ("pools.NAME.recycle.", "recycle", "pools.web.recycle"), NULL: all. `mdoc`: as a list for
 * mdoc(7). false: there is none of that name.
 */
bool settings_write(const char *name, bool mdoc, struct strbuf *out);

#endif
