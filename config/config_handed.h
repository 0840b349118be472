/* The configuration of one pool in its canonical form, as the supervisor hands it to a child: in a memfd. */
#ifndef COWHERD_CONFIG_HANDED_H
#define COWHERD_CONFIG_HANDED_H

#include "config.h"

/* Reads and closes it. Ends the process, with a line in the log, when it is not of one pool. */
struct config *config_handed(int fd);

#endif
