#include "backoff.h"

#include <limits.h>

/* Doublings one by one: a shift by the number of failures would overflow. */
static int64_t grown(const struct backoff *backoff, const struct backoff_policy *policy)
{
    int64_t pause = policy->first_ns;

    for (unsigned i = 1; i < backoff->failures; i++) {
        if (pause >= policy->longest_ns / 2)
            return policy->longest_ns;
        pause *= 2;
    }
    return pause < policy->longest_ns ? pause : policy->longest_ns;
}

int64_t backoff_failed(struct backoff *backoff, const struct backoff_policy *policy, uint32_t random)
{
    if (backoff->failures < UINT_MAX)
        backoff->failures++;

    int64_t pause = grown(backoff, policy);
    return pause - (int64_t)((double)pause * policy->jitter / 100 * ((double)random / UINT32_MAX));
}

void backoff_succeeded(struct backoff *backoff)
{
    backoff->failures = 0;
}
