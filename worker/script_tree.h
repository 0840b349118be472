/*
 * All scripts below a directory.
 */
#ifndef COWHERD_SCRIPT_TREE_H
#define COWHERD_SCRIPT_TREE_H

#include <stdbool.h>

#include "config.h"
#include "strbuf.h"

struct script_tree {
    int root; /* a descriptor of the directory; O_PATH will do */
    const struct config_app *app;
    /* `fd` reads the file, and is the callee's to close; -1: it may not be read. `file` is relative to the root. */
    bool (*found)(const char *file, int fd, void *data);
    void *data;
};

/*
 * Calls `found` for every file that a request's path can mean, in the order of their names, until it returns false:
 * then false. Symbolic links as the app's `follow_symlinks` says; a directory is not entered again below itself. A tree
 * of more than 65536 scripts or directories ends with false and `error` filled.
 */
bool script_tree_walk(const struct script_tree *tree, struct strbuf *error);

#endif
