/*
 * What goes before the bytes that were received, when a worker gives a connection to others (worker/handback.h). They
 * may be of another generation, and made with another version of this.
 */
#ifndef COWHERD_HANDED_H
#define COWHERD_HANDED_H

#include <stddef.h>
#include <stdint.h>

struct handed {
    int32_t wait;   /* enum connection_wait of worker/connection.h */
    uint32_t begun; /* the mark (unbegun.h) */
    int64_t deadline_ns;
    int64_t received_ns;
};

/* Changes with the struct, as scoreboard_fingerprint does, and has to be changed with what `wait` means (handback.c).
 */
static inline uint64_t handed_fingerprint(void)
{
    return sizeof(struct handed) << 16 | offsetof(struct handed, deadline_ns) << 8 |
           offsetof(struct handed, received_ns);
}

#endif
