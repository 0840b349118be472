#include "renewal.h"

#include "clock.h"
#include "log.h"
#include "pool.h"
#include "random_bits.h"
#include "supervisor.h"

static void expired(void *data)
{
    struct pool *pool = data;
    if (!pool->serving || pool->stopping)
        return;
    if (pool->upcoming) {
        renewal_set(pool);
        return;
    }
    log_info("%s: restart.interval: a new generation is due", pool->name);
    pool_renew(pool);
}

void renewal_set(struct pool *pool)
{
    const struct generation *serving = pool->serving;
    renewal_clear(pool);
    if (!serving || pool->stopping || serving->settings->restart.interval_ns == 0)
        return;
    renewal_resume(pool, clock_monotonic_ns() + renewal_pause(serving->settings->restart.interval_ns, random_bits()));
}

void renewal_resume(struct pool *pool, int64_t due_ns)
{
    pool->renewal = (struct loop_timer){ .expired = expired, .data = pool };
    loop_timer_set(pool->supervisor->loop, &pool->renewal, due_ns);
}

void renewal_clear(struct pool *pool)
{
    loop_timer_clear(pool->supervisor->loop, &pool->renewal);
}
