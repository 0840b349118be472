#include "request_hash.h"

#include <stdbool.h>
#include <string.h>

#define MULTIPLIER UINT64_C(0x9e3779b97f4a7c15)

static bool starts(const char *param, const char *name, size_t length)
{
    return strncmp(param, name, length) == 0;
}

#define STARTS(param, name) starts(param, name, sizeof name - 1)

static bool differs_each_time(const char *param)
{
    switch (param[0]) {
    case 'R': return STARTS(param, "REMOTE_PORT=") || STARTS(param, "REQUEST_TIME");
    case 'U': return STARTS(param, "UNIQUE_ID=");
    case 'H': return STARTS(param, "HTTP_X_REQUEST_ID=");
    default: return false;
    }
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * MULTIPLIER;
    return hash ^ hash >> 29;
}

/* Eight bytes at a time: every request pays for it. */
static uint64_t add(uint64_t hash, const char *text)
{
    size_t length = strlen(text);
    uint64_t word;

    hash = mix(hash, length);
    for (; length >= sizeof word; length -= sizeof word, text += sizeof word) {
        memcpy(&word, text, sizeof word);
        hash = mix(hash, word);
    }
    word = 0;
    memcpy(&word, text, length);
    return mix(hash, word);
}

uint64_t request_hash(char *const *params)
{
    uint64_t hash = MULTIPLIER;

    for (; *params != NULL; params++)
        if (!differs_each_time(*params))
            hash = add(hash, *params);
    return hash != 0 ? hash : 1;
}
