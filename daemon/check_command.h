/* `cowherd check`. */
#ifndef COWHERD_CHECK_COMMAND_H
#define COWHERD_CHECK_COMMAND_H

#include <stdbool.h>

/*
 * Reads the configuration, looks its users and groups up, and has cowherd-mold compile every file that an app names.
 * Errors and warnings go to standard error; with `print`, the canonical form to standard output. 0: all is well, 1: an
 * app doesn't compile, 2: the configuration can't be used.
 */
int check_command(const char *config_path, bool print);

#endif
