/*
 * The channel between the supervisor and one child: a SOCK_SEQPACKET pair, one message a packet, descriptors by
 * SCM_RIGHTS. End of file means that the other side is gone.
 */
#ifndef COWHERD_CHANNEL_H
#define COWHERD_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "memory_meter.h"

#define CHANNEL_DESCRIPTORS_MAX 4
#define CHANNEL_TEXT_SIZE 4096
/* Exit status of a mold that could not tell the supervisor why it failed: its end of the channel was closed. */
#define CHANNEL_EXIT_UNHEARD 3

enum message_type {
#define MESSAGE(NAME, member, descriptors, doc) MESSAGE_##NAME,
#include "messages.def"
#undef MESSAGE
    MESSAGE_TYPES
};

struct message {
    uint32_t type; /* enum message_type */
    union {
        struct {
            uint32_t slot;
            uint32_t traced;  /* not 0: TRACE_WRITES waits in the worker's channel */
            uint32_t warming; /* not 0: the worker accepts no connections before SERVE */
        } fork;
        struct {
            uint32_t app; /* index in the pool's apps */
        } loading;
        struct {
            uint32_t apps;
            uint32_t interpreters;
            uint64_t load_ns;
            uint64_t region_start; /* address in the mold and its workers; 0: nothing is frozen */
            uint64_t region_bytes;
            uint64_t region_objects;
        } loaded;
        struct {
            uint32_t slot;
            int32_t pid;   /* 0 when the fork failed */
            int32_t error; /* errno then */
        } forked;
        struct {
            uint32_t slot;
        } ready;
        struct memory_figures measured;
        struct {
            uint64_t bytes;
            int32_t error; /* errno when nothing could be written, else 0 */
        } reported;
        struct {
            int64_t deadline_ns;  /* CLOCK_MONOTONIC; what is unfinished then is closed */
            uint8_t take_backlog; /* serve what already waits in the listen queue first (a stop, not a reload) */
        } drain;
        struct {
            int64_t at_ns; /* CLOCK_MONOTONIC */
        } next_try;
        struct {
            uint32_t format; /* enum status_format */
        } status;
        struct {
            uint64_t inode; /* as it was when it was opened; all 0: it could not be */
            int64_t size;
            int64_t modified_ns;
            char path[1000]; /* absolute, inside the chroot; longer ones are not told */
        } file;
        char text[CHANNEL_TEXT_SIZE]; /* NUL-terminated */
        uint8_t none;
    };
};

/* "FORK", ...; "?" for a value that is no type. */
const char *message_name(uint32_t type);

/* How many descriptors travel with messages of this type. */
unsigned message_descriptors(uint32_t type);

/* Makes a pair, both ends close-on-exec and non-blocking. 0, or -1 with errno. */
int channel_pair(int ends[2]);

/*
 * Sends one message with `count` descriptors (which stay the caller's). 0, or -1 with errno (EAGAIN: the other side
 * does not read; EPIPE/ECONNRESET: it is gone; EINVAL: a wrong count, a text without its NUL). Only the bytes of the
 * type's payload travel.
 */
int channel_send(int fd, const struct message *message, const int *descriptors, unsigned count);

/*
 * Receives one message. 1: *message is filled, `descriptors` holds exactly as many as its type declares (close-on-exec,
 * now the caller's). 0: end of file. -1: errno, EAGAIN when nothing is there, EBADMSG for a packet that is no message
 * (descriptors that came with it are closed), EMFILE when this process had no room for the descriptors: they are gone,
 * *message is filled all the same.
 */
int channel_receive(int fd, struct message *message, int descriptors[CHANNEL_DESCRIPTORS_MAX]);

/*
 * Changes with the messages: two programs that have the same one understand each other. (scoreboard_fingerprint says
 * the same of the scoreboard.)
 */
uint64_t channel_fingerprint(void);

#endif
