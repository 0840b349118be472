/* SQLite's five types of values, and Ruby's. */
#ifndef MRUBY_SQLITE3_VALUE_H
#define MRUBY_SQLITE3_VALUE_H

#include <mruby.h>

#include <sqlite3.h>

struct sqlite_bytes {
    const char *bytes;
    sqlite3_uint64 length;
};

struct sqlite_datum {
    int type; /* SQLITE_INTEGER, SQLITE_FLOAT, SQLITE_TEXT, SQLITE_BLOB, SQLITE_NULL */
    union {
        sqlite3_int64 integer;
        double real;
        struct sqlite_bytes text; /* or blob: the String's own */
    };
};

/* RuntimeError ("can't VERB Symbol") when SQLite has nothing for such an object. */
struct sqlite_datum sqlite_datum_of(mrb_state *mrb, mrb_value value, const char *verb);

/* A copy; blobs are SQLite3::Blob. */
mrb_value sqlite_value_of_column(mrb_state *mrb, sqlite3_stmt *statement, int column);
mrb_value sqlite_value_of_argument(mrb_state *mrb, sqlite3_value *argument);

#endif
