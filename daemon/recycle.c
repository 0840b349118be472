#include "recycle.h"

const char *recycle_reason_name(enum recycle_reason reason)
{
    static const char *const names[RECYCLE_REASONS] = {
        [RECYCLE_NONE] = "none",
        [RECYCLE_REQUESTS] = "requests",
        [RECYCLE_AGE] = "age",
        [RECYCLE_PRIVATE_MEMORY] = "private memory",
    };
    return names[reason];
}

/* SplitMix64: neighbouring seeds give unrelated numbers. */
static uint64_t scramble(uint64_t seed)
{
    uint64_t z = seed + UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t spread(uint64_t rule, double factor)
{
    if (rule == 0)
        return 0;
    double limit = (double)rule * factor + 0.5;
    return limit < 1 ? 1 : (uint64_t)limit;
}

struct recycle_limits recycle_draw(const struct recycle_limits *rules, unsigned jitter, uint64_t seed)
{
    if (jitter == 0)
        return *rules;
    double between = (double)(scramble(seed) >> 11) / (double)(UINT64_C(1) << 53); /* 0 to 1 */
    double factor = 1 + (2 * between - 1) * jitter / 100;
    return (struct recycle_limits){
        .requests = spread(rules->requests, factor),
        .age_ns = (int64_t)spread((uint64_t)rules->age_ns, factor),
        .private_memory = spread(rules->private_memory, factor),
    };
}

enum recycle_reason recycle_reason_of(const struct recycle_worker *worker)
{
    const struct recycle_limits *limits = &worker->limits;
    if (!worker->present || !worker->serving)
        return RECYCLE_NONE;
    if (limits->private_memory > 0 && worker->grown >= limits->private_memory)
        return RECYCLE_PRIVATE_MEMORY;
    if (limits->age_ns > 0 && worker->age_ns >= limits->age_ns)
        return RECYCLE_AGE;
    if (limits->requests > 0 && worker->almost_done)
        return RECYCLE_REQUESTS;
    return RECYCLE_NONE;
}

/* It serves on until its last request has come. */
static bool is_waiting(const struct recycle_worker *worker)
{
    return worker->present && worker->serving && worker->replaced == RECYCLE_REQUESTS;
}

bool recycle_decide(const struct recycle_worker *workers, size_t count, unsigned max_unavailable,
                    struct recycle_choice *choice)
{
    size_t in_replacement = 0, waiting = RECYCLE_NOBODY;
    for (size_t i = 0; i < count; i++) {
        in_replacement += workers[i].present && workers[i].replaced != RECYCLE_NONE;
        if (is_waiting(&workers[i]) && waiting == RECYCLE_NOBODY)
            waiting = i;
    }
    bool full = in_replacement >= max_unavailable;

    *choice = (struct recycle_choice){ .worker = RECYCLE_NOBODY, .gives_way = RECYCLE_NOBODY };
    for (size_t i = 0; i < count; i++) {
        enum recycle_reason reason = recycle_reason_of(&workers[i]);
        /* One that waits for its last request may have to go sooner: it keeps its place, the reason changes. */
        bool changes = is_waiting(&workers[i]) && reason != RECYCLE_REQUESTS;
        bool eligible = reason != RECYCLE_NONE && (workers[i].replaced == RECYCLE_NONE || changes) &&
                        (!full || changes || (reason != RECYCLE_REQUESTS && waiting != RECYCLE_NOBODY));
        if (!eligible ||
            (choice->worker != RECYCLE_NOBODY && workers[i].private_bytes <= workers[choice->worker].private_bytes))
            continue;
        choice->worker = i;
        choice->reason = reason;
        choice->gives_way = changes || !full ? RECYCLE_NOBODY : waiting;
    }
    return choice->worker != RECYCLE_NOBODY;
}
