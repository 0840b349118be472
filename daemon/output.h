/*
 * What a child writes to its standard output and error, captured line by line into the error log, each line with the
 * child's pool, number, process and app. Records of the child's own logging (log.h) keep their level and app; plain
 * output is logged at level info with the app that the child has in hand.
 */
#ifndef COWHERD_OUTPUT_H
#define COWHERD_OUTPUT_H

#include <stddef.h>

#include "loop.h"
#include "strbuf.h"

struct output {
    struct loop *loop;
    struct loop_source source;
    struct strbuf pending; /* an unfinished line */
    struct strbuf plain;   /* lines that a record may yet claim for an app; empty between turns */
    /* Writes who speaks ("web/2 4711 APP") into `source`; `app` is NULL when the line does not say. */
    void (*describe)(void *data, const char *app, char *source, size_t size);
    void *data;
    bool open;
};

/* Takes over `fd`, the reading end of the pipe (made non-blocking). 0, or -1 with errno (fd is closed). */
int output_open(struct output *output, struct loop *loop, int fd,
                void (*describe)(void *data, const char *app, char *source, size_t size), void *data);

/* Logs what has come so far, an unfinished last line too, and closes. Harmless when not open. */
void output_close(struct output *output);

#endif
