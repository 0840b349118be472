#include "quota.h"

#include <errno.h>

#include "channel.h"
#include "log.h"

static uint64_t limit_of(const struct quota *quota)
{
    return atomic_load_explicit(&quota->slot->request_limit, memory_order_relaxed);
}

static uint64_t accepted_by(const struct quota *quota)
{
    return atomic_load_explicit(&quota->slot->accepted, memory_order_relaxed);
}

bool quota_has_room(const struct quota *quota, unsigned expecting)
{
    uint64_t limit = limit_of(quota);

    if (atomic_load_explicit(&quota->slot->out_of_memory, memory_order_relaxed) > 0 &&
        scoreboard_another_serves(quota->board, quota->slot))
        return false;
    return limit == 0 || accepted_by(quota) + expecting < limit;
}

bool quota_is_spent(const struct quota *quota)
{
    return !quota_has_room(quota, 0);
}

static void tell(const struct quota *quota, uint32_t type)
{
    const struct message message = { .type = type };

    if (channel_send(quota->channel, &message, NULL, 0) == -1 && errno != EPIPE && errno != ECONNRESET)
        log_warn("%s can't be sent", message_name(type));
}

void quota_announce(struct quota *quota)
{
    uint64_t limit = limit_of(quota);
    uint64_t ahead = limit >= 40 ? limit / 20 : 1;

    if (quota->announced || limit == 0 || accepted_by(quota) + ahead < limit)
        return;
    quota->announced = true;
    tell(quota, MESSAGE_ALMOST_DONE);
}

void quota_tell_spent(const struct quota *quota)
{
    tell(quota, MESSAGE_SPENT);
}
