/* Reading the configuration for somebody at a terminal. */
#ifndef COWHERD_LOAD_CONFIG_H
#define COWHERD_LOAD_CONFIG_H

#include <stdbool.h>

#include "config.h"

/* As config_load, with the errors, and the warnings when asked for, on standard error, one a line. */
struct config *load_config(const char *path, bool with_warnings);

#endif
