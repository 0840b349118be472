/* `cowherd heap`: a picture of a worker's heap. */
#ifndef COWHERD_HEAP_COMMAND_H
#define COWHERD_HEAP_COMMAND_H

struct heap_command {
    const char *socket; /* the control socket */
    const char *file;   /* "-": standard output */
    const char *pool;   /* NULL: the only one */
    const char *worker; /* its number; NULL: the first that serves */
};

/*
 * Asks for the map and writes the file, which is there whole or not at all (a temporary file beside it, and a rename).
 * 0, or 1: said why not.
 */
int heap_command(const struct heap_command *command);

#endif
