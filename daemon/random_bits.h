/* Random bits for jitter, where the best are not needed and waiting for them is no choice. */
#ifndef COWHERD_RANDOM_BITS_H
#define COWHERD_RANDOM_BITS_H

#include <stdint.h>

/* From the kernel; from the clock when that has none yet. */
uint64_t random_bits(void);

#endif
