/*
 * `cowherd status-server`, which the supervisor starts (status_server.h): answers requests for the status and the
 * metrics that come over FastCGI.
 */
#ifndef COWHERD_STATUS_SERVER_COMMAND_H
#define COWHERD_STATUS_SERVER_COMMAND_H

/* The exit status. */
int status_server_command(int argc, char **argv);

#endif
