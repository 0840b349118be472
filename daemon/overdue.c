#include "overdue.h"

#include <stdbool.h>

#include "clock.h"

#define PERIOD_MIN_NS (10 * CLOCK_NS_PER_MS)
#define PERIOD_MAX_NS (500 * CLOCK_NS_PER_MS)
#define SIGNALS 10 /* between the two limits */
#define PAUSE_MIN_NS (100 * CLOCK_NS_PER_MS)
#define PAUSE_MAX_NS CLOCK_NS_PER_S

static int64_t clamp(int64_t value, int64_t min, int64_t max)
{
    return value < min ? min : value > max ? max : value;
}

int64_t overdue_period(const struct overdue_limits *limits)
{
    int64_t first = limits->request_ns > 0 ? limits->request_ns : limits->hard_ns;

    if (limits->hard_ns > 0 && limits->hard_ns < first)
        first = limits->hard_ns;
    return first > 0 ? clamp(first / 20, PERIOD_MIN_NS, PERIOD_MAX_NS) : 0;
}

/* Code may catch the exception: time for that, and to answer, before the next one. */
static int64_t pause_between_signals(const struct overdue_limits *limits)
{
    if (limits->hard_ns == 0)
        return PAUSE_MAX_NS;
    return clamp((limits->hard_ns - limits->request_ns) / SIGNALS, PAUSE_MIN_NS, PAUSE_MAX_NS);
}

static void advance(struct overdue_watch *watch, int64_t gap_max_ns, int64_t now_ns, int64_t started_ns,
                    uint64_t sequence)
{
    bool same = watch->sequence == sequence && watch->looked_ns > 0;
    int64_t since_ns = same ? watch->looked_ns : started_ns;

    if (!same)
        *watch = (struct overdue_watch){ .sequence = sequence };
    watch->age_ns += clamp(now_ns - since_ns, 0, gap_max_ns);
    watch->looked_ns = now_ns;
}

enum overdue_action overdue_look(struct overdue_watch *watch, const struct overdue_limits *limits, int64_t now_ns,
                                 int64_t started_ns, uint64_t sequence)
{
    if (started_ns == 0) {
        *watch = (struct overdue_watch){ 0 };
        return OVERDUE_NOTHING;
    }
    advance(watch, 2 * overdue_period(limits), now_ns, started_ns, sequence);
    if (limits->hard_ns > 0 && watch->age_ns >= limits->hard_ns)
        return OVERDUE_KILL;
    if (limits->request_ns == 0 || watch->age_ns < limits->request_ns + watch->signals * pause_between_signals(limits))
        return OVERDUE_NOTHING;
    watch->signals++;
    return OVERDUE_SIGNAL;
}
