/*
 * Which file a request's path means. Pure: whether the file is there is not its question.
 */
#ifndef COWHERD_SCRIPT_PATH_H
#define COWHERD_SCRIPT_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "strbuf.h"

#define SCRIPT_PATH_MAX 4096

struct script_path {
    char file[SCRIPT_PATH_MAX]; /* relative to the root; no empty, "." or ".." segment in it */
    size_t length;
    const char *info;   /* what follows the file in the path: "" or "/..." */
    bool slash_missing; /* the path names a directory, `file` is its index, and the path does not end with "/" */
};

/*
 * `path` is percent-decoded, what follows the app's prefix: "" or "/...". The first segment that ends with ".rb" is the
 * script, the rest is `info`; without one the path means the directory's `index`. false: it can't mean any file, as a
 * segment is empty (but the last one), begins with a dot or has a backslash, or `info` has a "." or ".." segment.
 */
bool script_path_map(const char *path, const char *index, struct script_path *mapped);

/* Whether a file of this name, in some directory, answers. */
bool script_path_is_script(const char *name, const char *index);

/* Whether requests can mean something in a directory of this name. */
bool script_path_is_directory(const char *name);

/*
 * Appends what a Location line says for `path` behind `prefix` with a "/" at its end, both percent-decoded, and for
 * `query`, which is not (NULL: none).
 */
void script_path_location(struct strbuf *out, const char *prefix, const char *path, const char *query);

#endif
