/*
 * Connections that wait in a queue of descriptors (escrow.h) for any worker of their pool, each with what was received
 * of it: workers put in those that wait behind a slow request (worker/handback.h), the supervisor those that nobody
 * else takes. Who puts one in and who takes it may be of different generations, and of different versions of this.
 */
#ifndef COWHERD_HANDED_H
#define COWHERD_HANDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one waits for; as enum connection_wait of worker/connection.h. */
enum handed_wait { HANDED_HEAD, HANDED_BODY, HANDED_IDLE, HANDED_WAITS };

struct handed {
    int32_t wait;   /* enum handed_wait */
    uint32_t begun; /* the mark (unbegun.h) */
    int64_t deadline_ns;
    int64_t received_ns;
};

/* Changes with the struct, as scoreboard_fingerprint does, and has to be changed with what `wait` means. */
static inline uint64_t handed_fingerprint(void)
{
    return sizeof(struct handed) << 16 | offsetof(struct handed, deadline_ns) << 8 |
           offsetof(struct handed, received_ns);
}

#define HANDED_BODY_SLACK 1024   /* for the records around a small body */
#define HANDED_SLACK (80 * 1024) /* beyond head and small body: one more record, or what fcgi_serve hands back */

/* As much as a worker with these limits (config_limits) keeps of a connection that waits. */
static inline size_t handed_room(size_t header, size_t small_body)
{
    return header + (small_body > 0 ? small_body + HANDED_BODY_SLACK : 0) + HANDED_SLACK;
}

/* Puts in a copy of `fd`. false with errno. Allocates nothing. */
bool handed_send(int queue, int fd, const struct handed *handed, const uint8_t *bytes, size_t length);

/*
 * Takes the oldest one: its descriptor (close-on-exec), and *length bytes at `room`. What doesn't fit there is closed,
 * and the next one taken. -1: there is none, or (errno EMFILE, ENFILE) it stays there for want of a descriptor.
 */
int handed_receive(int queue, struct handed *handed, uint8_t *room, size_t size, size_t *length);

#endif
