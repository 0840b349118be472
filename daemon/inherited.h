/*
 * Listening sockets that somebody else has opened and handed over: systemd (LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES) or
 * start_server (SERVER_STARTER_PORT). They stay open for as long as the supervisor lives, named by a pool or not, since
 * the next configuration may name them; their files are never unlinked. The variables stay in the supervisor's own
 * environment; daemon/mold_environment.c keeps them from its children.
 */
#ifndef COWHERD_INHERITED_H
#define COWHERD_INHERITED_H

#include <stddef.h>
#include <sys/types.h>

#include "config.h"
#include "strbuf.h"

struct inherited_socket {
    enum config_listen_type type; /* LISTEN_SYSTEMD or LISTEN_STARTER */
    char *name;                   /* of LISTEN_FDNAMES; "port", "host:port" or "/path" of start_server */
    int fd;                       /* close-on-exec from inherited_take on */
};

struct inherited {
    struct inherited_socket *items;
    size_t count;
    char *complaint; /* why variables that are there are of no use, or NULL */
};

/*
 * Reads what the variables name. The values are those of the environment, NULL when not set; `self` is who has to be
 * meant by LISTEN_PID. No system calls: what the numbers stand for is looked at by inherited_take.
 */
void inherited_parse_systemd(struct inherited *inherited, const char *fds, const char *pid, const char *names,
                             pid_t self);
void inherited_parse_starter(struct inherited *inherited, const char *ports);

/*
 * Takes over what the environment names: to be called before any other descriptor is opened. What is no open descriptor
 * is left out and told in the complaint.
 */
void inherited_take(struct inherited *inherited);
void inherited_free(struct inherited *inherited); /* closes nothing */

/* The next socket that `listen` names, behind `after` (NULL: the first). NULL: no more. */
const struct inherited_socket *inherited_find(const struct inherited *inherited, const struct config_listen *listen,
                                              const struct inherited_socket *after);

/* Says in `error` that there is none for `listen`, and what there is. */
void inherited_explain(const struct inherited *inherited, const struct config_listen *listen, struct strbuf *error);

/* 0: a listening stream socket, now non-blocking. -1: `error` says what it is. */
int inherited_check(const struct inherited_socket *socket, const char *address, struct strbuf *error);

#endif
