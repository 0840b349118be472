/*
 * A directory with a file for each environment variable: the file's name is the variable's, its first line the value
 * (without blanks at its end), and an empty file unsets the variable. Names that begin with a dot are skipped.
 */
#ifndef COWHERD_ENV_DIR_H
#define COWHERD_ENV_DIR_H

#include <stdbool.h>

#include "config.h"
#include "strbuf.h"

/* What a generation is started with. */
struct env_dir {
    char **outer;            /* cowherd's own environment, without what is unset */
    struct config_pairs env; /* the pool's variables, and over them those of the directory */
};

/*
 * Reads `directory` (NULL: none) over `outer` and `env`. false with a line in `error` that names the file; *result is
 * empty then. Free with env_dir_free.
 */
bool env_dir_read(const char *directory, char *const *outer, const struct config_pairs *env, struct env_dir *result,
                  struct strbuf *error);
void env_dir_free(struct env_dir *result);

#endif
