/* What holds in every harness, also where assertions are compiled out. */
#ifndef COWHERD_FUZZ_REQUIRE_H
#define COWHERD_FUZZ_REQUIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(bool truth)
{
    if (!truth)
        abort();
}

/* A string of its own, so that a step beyond its end is seen. Free it. */
static inline char *text_of(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    require(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

#endif
