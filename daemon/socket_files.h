/*
 * The files of sockets, which somebody may remove or replace while cowherd listens on them. What was removed is bound
 * anew: the control socket and that of the status at once, the listeners of a pool by a new generation. What has
 * another's file in its place is left alone until that has gone. Looked at once a second, as soon as inotify says
 * that one has gone, and more often while one is lost.
 */
#ifndef COWHERD_SOCKET_FILES_H
#define COWHERD_SOCKET_FILES_H

#include "loop.h"

struct supervisor;

struct socket_files {
    struct supervisor *supervisor;
    struct loop_source source; /* fd -1: there is no inotify to be had */
    struct loop_timer again;
};

void socket_files_open(struct socket_files *files, struct supervisor *supervisor);
void socket_files_look(struct socket_files *files);
void socket_files_close(struct socket_files *files);

#endif
