#include "recycle.h"

const char *recycle_reason_name(enum recycle_reason reason)
{
    static const char *const names[RECYCLE_REASONS] = {
        [RECYCLE_NONE] = "none",
        [RECYCLE_REQUESTS] = "requests",
        [RECYCLE_AGE] = "age",
        [RECYCLE_PRIVATE_MEMORY] = "private memory",
        [RECYCLE_SYMBOLS] = "symbols",
        [RECYCLE_MEMORY_BUDGET] = "memory budget",
        [RECYCLE_MEMORY_LIMIT] = "memory limit",
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
        .symbols = spread(rules->symbols, factor),
    };
}

enum recycle_reason recycle_reason_of(const struct recycle_worker *worker)
{
    const struct recycle_limits *limits = &worker->limits;
    if (!worker->present || !worker->serving)
        return RECYCLE_NONE;
    if (worker->out_of_memory)
        return RECYCLE_MEMORY_LIMIT;
    if (limits->private_memory > 0 && worker->grown >= limits->private_memory)
        return RECYCLE_PRIVATE_MEMORY;
    if (worker->over_budget)
        return RECYCLE_MEMORY_BUDGET;
    if (limits->symbols > 0 && worker->symbols >= limits->symbols)
        return RECYCLE_SYMBOLS;
    if (limits->age_ns > 0 && worker->age_ns >= limits->age_ns)
        return RECYCLE_AGE;
    if (limits->requests > 0 && worker->almost_done)
        return RECYCLE_REQUESTS;
    return RECYCLE_NONE;
}

static uint64_t less(uint64_t from, uint64_t what)
{
    return from > what ? from - what : 0;
}

enum recycle_verdict recycle_weigh(struct recycle_worker *workers, size_t count, const struct recycle_budget *budget,
                                   struct recycle_scale *scale)
{
    bool young = false, leaving = false;

    *scale = (struct recycle_scale){ budget->loaded, budget->loaded, RECYCLE_NOBODY };
    for (size_t i = 0; i < count; i++) {
        struct recycle_worker *worker = &workers[i];
        worker->over_budget = false;
        if (!worker->present)
            continue;
        bool goes = worker->replaced != RECYCLE_NONE;
        scale->minimum += less(worker->private_bytes, worker->grown);
        scale->total += goes ? less(worker->private_bytes, worker->grown) : worker->private_bytes;
        leaving = leaving || goes;
        if (goes || !worker->serving || worker->grown < RECYCLE_WORTH)
            continue;
        if (worker->age_ns < budget->patience_ns)
            young = true;
        else if (scale->worker == RECYCLE_NOBODY || worker->private_bytes > workers[scale->worker].private_bytes)
            scale->worker = i;
    }
    if (budget->bytes == 0 || scale->total <= budget->bytes) {
        scale->worker = RECYCLE_NOBODY;
        return RECYCLE_FITS;
    }
    /* Everybody replaced, it would still be too much. */
    if (scale->minimum > budget->bytes)
        scale->worker = RECYCLE_NOBODY;
    else if (scale->worker != RECYCLE_NOBODY)
        workers[scale->worker].over_budget = true;
    else if (young)
        return RECYCLE_WAITS;
    return scale->worker != RECYCLE_NOBODY || leaving ? RECYCLE_OVER : RECYCLE_FUTILE;
}

void recycle_charge(struct recycle_budget *budget, int64_t age_ns)
{
    int64_t patience = budget->patience_ns;
    if (age_ns / 16 >= patience)
        patience = RECYCLE_PATIENCE_NS;
    else if (age_ns / 4 < patience)
        patience *= 2;
    budget->patience_ns = patience < RECYCLE_PATIENCE_MAX_NS ? patience : RECYCLE_PATIENCE_MAX_NS;
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
