/*
 * The text in which a supervisor hands its state to the program that takes its place: a line for each record, its kind
 * and then KEY=VALUE, all bytes that would stand in the way written as %XX. Who reads knows no order of keys, leaves
 * alone what it doesn't know, and takes what is missing for 0 or none. The first line names the format, the last one
 * says that nothing is missing.
 *
 * Descriptors keep their numbers; the writer and the reader keep a list of those they have met.
 */
#ifndef COWHERD_STATE_TEXT_H
#define COWHERD_STATE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "strbuf.h"

#define STATE_TEXT_FORMAT "cowherd-state 1"

enum state_kind {
    STATE_SIGNED,   /* an integer of any width */
    STATE_UNSIGNED, /* ... or an enum, or a bool */
    STATE_STRING,   /* char *, NULL or from malloc(3) */
    STATE_CHARS,    /* an array of char with a NUL */
};

/* A member of a struct and its key. */
struct state_field {
    const char *key;
    enum state_kind kind;
    size_t offset, size;
};

#define STATE_FIELD(kind, key, type, member)                                                                           \
    {                                                                                                                  \
        key, kind, offsetof(type, member), sizeof(((type *)0)->member)                                                 \
    }

struct state_descriptors {
    int *items;
    size_t count;
};

struct state_writer {
    struct strbuf text;
    struct state_descriptors descriptors;
};

void state_writer_start(struct state_writer *writer);
/* Begins a record. */
void state_put_record(struct state_writer *writer, const char *kind);
void state_put_number(struct state_writer *writer, const char *key, int64_t number);
/* NULL: left out. */
void state_put_string(struct state_writer *writer, const char *key, const char *string);
/* -1: left out. */
void state_put_descriptor(struct state_writer *writer, const char *key, int fd);
void state_put_fields(struct state_writer *writer, const struct state_field *fields, size_t count, const void *from);
void state_writer_finish(struct state_writer *writer);
void state_writer_free(struct state_writer *writer);

struct state_pair {
    const char *key, *value;
};

struct state_reader {
    char *next;       /* the line behind the present one */
    const char *kind; /* of the present record; NULL: there are no more */
    struct state_pair *pairs;
    size_t count, capacity;
    struct state_descriptors descriptors;
    struct strbuf error; /* the first thing that is wrong; empty: all is well */
};

/* Reads from `text`, which is changed and must stay. The first record is the present one. */
void state_reader_start(struct state_reader *reader, char *text);
/* Goes on to the next record: its kind, or NULL. */
const char *state_next(struct state_reader *reader);
int64_t state_number(const struct state_reader *reader, const char *key, int64_t otherwise);
/* NULL: not there. Valid until state_next. */
const char *state_string(const struct state_reader *reader, const char *key);
/* -1: not there. One that is not open is an error. */
int state_descriptor(struct state_reader *reader, const char *key);
/* Members whose key is missing stay as they are. */
void state_get_fields(const struct state_reader *reader, const struct state_field *fields, size_t count, void *into);
/* Keeps the first error. */
void state_error(struct state_reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));
void state_reader_free(struct state_reader *reader);

#endif
