#include "fallback_policy.h"

enum fallback_action fallback_decide(const struct fallback_facts *facts)
{
    if (facts->accepts)
        return facts->serving > 0 || !facts->in_trouble ? FALLBACK_RETIRE : FALLBACK_LEAVE_AS_IS;
    if (facts->present || facts->serving > 0 || !facts->in_trouble)
        return FALLBACK_LEAVE_AS_IS;
    return facts->pause_ns >= FALLBACK_PAUSE_NS || facts->without_ns >= FALLBACK_WITHOUT_NS ? FALLBACK_START
                                                                                            : FALLBACK_LEAVE_AS_IS;
}

unsigned fallback_retry_after(int64_t pause_ns)
{
    return pause_ns > CLOCK_NS_PER_S ? (unsigned)((pause_ns + CLOCK_NS_PER_S - 1) / CLOCK_NS_PER_S) : 1;
}
