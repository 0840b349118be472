/*
 * A mold is exec'd with some variables that are for its own malloc alone (daemon/mold_environment.h). What they replace
 * travels beside them under this prefix, "" standing for a variable that was not set, so that the mold can put
 * everything back before an app runs: programs that an app starts find what cowherd itself was started with.
 */
#ifndef COWHERD_OUTER_ENVIRONMENT_H
#define COWHERD_OUTER_ENVIRONMENT_H

#define OUTER_ENVIRONMENT_PREFIX "COWHERD_OUTER_"

#endif
