/*
 * Development (`cowherd run --dev`): one worker a pool, errors in the page, the logs on the terminal, and a new
 * generation whenever a file changes that the one before it has read.
 */
#ifndef COWHERD_DEV_H
#define COWHERD_DEV_H

#include <stdbool.h>

#include "channel.h"
#include "config.h"
#include "generation.h"

struct dev;
struct supervisor;

struct dev *dev_new(void);
/* NULL is fine. Removes what it made. */
void dev_free(struct dev *dev);

/*
 * Changes a configuration that nobody has seen yet into one for development. Where control and pid_file can't be
 * written, the control socket lies in a folder of its own and there is no pid file; who isn't root runs apps and
 * sockets as himself. RACK_ENV is `development` unless the configuration or the environment has one.
 */
void dev_adapt(struct dev *dev, struct config *config);

/* Watches from the loop of the supervisor, which reloads when something has changed. */
void dev_start(struct dev *dev, struct supervisor *supervisor);
void dev_stop(struct dev *dev);

/* What this configuration names is waited for, too. */
void dev_watch_config(struct dev *dev, const struct config *config);

/* A mold or worker is about to compile a file: it is waited for, and one that is another by now has changed. */
void dev_file_loaded(struct dev *dev, const struct generation *generation, const struct message *message);

#endif
