/*
 * An escrow: a queue of descriptors that outlives whoever put them in. A worker and the supervisor hold the same
 * socket; connections that the worker has accepted and that have not sent anything lie in it as copies, for the case
 * that the worker is killed. Nobody is woken by what comes in.
 */
#ifndef COWHERD_ESCROW_H
#define COWHERD_ESCROW_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

/* A descriptor (close-on-exec, non-blocking, readable while something is in it), or -1 with errno. */
int escrow_new(void);

/* Puts in a copy of `fd`. false: there is no room for it, by whatever limit. */
bool escrow_deposit(int escrow, int fd);

/* Takes out the oldest copy (close-on-exec, now the caller's); -1: there is none. */
int escrow_withdraw(int escrow);

/* The same with bytes beside the copy. false with errno. */
bool escrow_send(int escrow, int fd, const struct iovec *parts, size_t count);

/*
 * How many bytes came with the oldest copy, also those that there was no room for; -1: there is none. *fd -1: this
 * process had no descriptor left for it.
 */
ssize_t escrow_receive(int escrow, int *fd, struct iovec *parts, size_t count);

#endif
