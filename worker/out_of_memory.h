/* What is left to say where memory ran out, and to answer the request. */
#ifndef COWHERD_OUT_OF_MEMORY_H
#define COWHERD_OUT_OF_MEMORY_H

#include <stdint.h>

/* Sets address space aside, which is given back when mruby gets no more. Again after that; costs nothing otherwise. */
void out_of_memory_prepare(void);

/* How often memory has run out in this process. */
uint64_t out_of_memory_count(void);

#endif
