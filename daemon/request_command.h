/* `cowherd request`: a FastCGI client for people and scripts. */
#ifndef COWHERD_REQUEST_COMMAND_H
#define COWHERD_REQUEST_COMMAND_H

/*
 * argv[0] is "request". Prints the Status line, the headers and the body to standard output, FCGI_STDERR to standard
 * error. 0: a complete answer, whatever its status; 1: none, said why; 2: usage.
 */
int request_command(int argc, char **argv);

#endif
