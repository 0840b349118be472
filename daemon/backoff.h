/*
 * How long to wait before something that failed is tried again: twice as long each time, up to a limit, and never
 * all at the same moment. Pure.
 */
#ifndef COWHERD_BACKOFF_H
#define COWHERD_BACKOFF_H

#include <stdint.h>

struct backoff_policy {
    int64_t first_ns;   /* the pause after the first failure */
    int64_t longest_ns; /* what pauses grow to */
    unsigned jitter;    /* percent of it by which a pause is made shorter at most */
};

struct backoff {
    unsigned failures; /* in a row */
};

/* One failure more: the pause in ns. `random` is any number: another one gives another pause. */
int64_t backoff_failed(struct backoff *backoff, const struct backoff_policy *policy, uint32_t random);

/* It went well: the next failure is the first again. */
void backoff_succeeded(struct backoff *backoff);

#endif
