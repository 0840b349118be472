#include "random_bits.h"

#include <sys/random.h>

#include "clock.h"

uint64_t random_bits(void)
{
    uint64_t bits;
    if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) != (ssize_t)sizeof bits)
        bits = (uint64_t)clock_monotonic_ns();
    return bits;
}
