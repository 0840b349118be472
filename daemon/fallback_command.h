/*
 * `cowherd fallback ...`: the process that answers 503 for a pool without workers (fallback.h starts it; it is no
 * command for people). It reads each request only as far as it takes to answer in form, keeps nothing of it, and leaves
 * when it is told to or when the supervisor is gone.
 */
#ifndef COWHERD_FALLBACK_COMMAND_H
#define COWHERD_FALLBACK_COMMAND_H

/* The exit status. */
int fallback_command(int argc, char **argv);

#endif
