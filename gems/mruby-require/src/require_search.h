/* Where a file is that `require` or `load` names. */
#ifndef MRUBY_REQUIRE_SEARCH_H
#define MRUBY_REQUIRE_SEARCH_H

#include <limits.h>

#include <mruby.h>

struct search {
    char path[PATH_MAX]; /* of what was found: its real path */
    const char *reason;  /* why nothing was, when there is a file of that name; else NULL */
};

/* The path of an argument: a String, or what answers to_path or to_str. No NUL in it; a new String. */
mrb_value path_argument(mrb_state *mrb, mrb_value argument);

/* Whether `path` says where it is: it begins with /, ./, ../ or ~/. Others are searched for in $LOAD_PATH. */
mrb_bool path_is_explicit(const char *path);

/*
 * `path`, absolute and without . and .. in it, as seen from `base`, an absolute path (NULL: the working
 * directory). No link is resolved.
 */
mrb_value path_expand(mrb_state *mrb, const char *path, const char *base);

/* Whether a readable file is there. */
mrb_bool search_file(struct search *search, const char *path);

/* The file of the Ruby code that called the C function of the topmost frame, or NULL when it has none. */
const char *search_caller(mrb_state *mrb, char path[PATH_MAX]);

#endif
