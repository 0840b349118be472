/* Reading the configuration for somebody at a terminal. */
#ifndef COWHERD_LOAD_CONFIG_H
#define COWHERD_LOAD_CONFIG_H

#include "config.h"

/* As config_load, with the errors on standard error, one a line. */
struct config *load_config(const char *path);

#endif
