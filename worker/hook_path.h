/* For which paths a hook runs. Pure. */
#ifndef COWHERD_HOOK_PATH_H
#define COWHERD_HOOK_PATH_H

#include <stdbool.h>

/*
 * Whether a hook for `prefix` runs for `path`, which is percent-decoded and begins with "/": at segment boundaries, and
 * also where the path comes to the prefix by empty segments, "." or "..", or passes it: an app may understand these,
 * and a hook that guards must not be got around.
 */
bool hooks_match(const char *prefix, const char *path);

#endif
