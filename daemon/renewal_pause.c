#include "renewal.h"

#define TENTHS 10

int64_t renewal_pause(int64_t interval_ns, uint64_t seed)
{
    int64_t tenth = interval_ns / TENTHS;
    return interval_ns - tenth + (int64_t)(seed % (2 * (uint64_t)tenth + 1));
}
