/*
 * The errors of one load, collected in whatever order they are found, reported in the order of the files.
 */
#ifndef COWHERD_DIAGNOSTICS_H
#define COWHERD_DIAGNOSTICS_H

#include <stddef.h>

#include "config.h"

/* One file that was read. `index` is the order of reading; `directory` is absolute, relative paths start there. */
struct source {
    size_t index;
    char *name; /* as it stands in messages */
    char *directory;
};

/* A place in a file. Line and column count from 1, columns in characters; line 0 stands for the file as a whole. */
struct place {
    const struct source *source;
    unsigned line;
    unsigned column;
};

struct diagnostic;

struct diagnostics {
    struct diagnostic *items;
    size_t count;
    size_t capacity;
};

void diagnostics_error(struct diagnostics *diagnostics, struct place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Moves everything into `report`, sorted by file, line and column, one line each, control characters escaped, and
 * leaves `diagnostics` empty. Of a flood of errors the first DIAGNOSTICS_MAX are kept and the rest is counted.
 */
#define DIAGNOSTICS_MAX 500
void diagnostics_report(struct diagnostics *diagnostics, struct config_report *report);

/* "file:line:column" of a place, for a message about another one; "file" alone for line 0. free(3) it. */
char *place_text(struct place place);

/* Appends `text` in double quotes for a message, shortened when it is long. */
void quote_for_message(struct strbuf *out, const char *text);

#endif
