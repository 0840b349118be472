/*
 * The protocol of sd_notify(3), spoken here: assignments, a line each, in one datagram to the socket that NOTIFY_SOCKET
 * names (a path, or @NAME for an abstract one); and WATCHDOG=1 twice within WATCHDOG_USEC, from the loop, so that it
 * stops when the loop does.
 */
#ifndef COWHERD_NOTIFY_H
#define COWHERD_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "loop.h"

struct notify {
    int fd; /* -1: nobody wants to know */
    struct sockaddr_un address;
    socklen_t address_size;
    struct loop *loop;
    struct loop_timer watchdog;
    int64_t watchdog_ns; /* between two WATCHDOG=1; 0: none */
};

/* Where `socket` (NOTIFY_SOCKET's value) is. false: it is no address that this program can send to. */
bool notify_parse_address(const char *socket, struct sockaddr_un *address, socklen_t *size);

/*
 * The time between two signs of life from the values of WATCHDOG_USEC and WATCHDOG_PID (NULL: not set): half of what is
 * granted. 0 when none are wanted, or of another process than `self`.
 */
int64_t notify_watchdog_ns(const char *usec, const char *pid, pid_t self);

/* Reads the environment and starts the watchdog's timer. An address that can't be used is logged. */
void notify_open(struct notify *notify, struct loop *loop);
/* Sends assignments ("READY=1\nSTATUS=..."), without waiting. false: not now, the receiver has too much to read. */
bool notify_send(const struct notify *notify, const char *assignments);
void notify_close(struct notify *notify);

#endif
