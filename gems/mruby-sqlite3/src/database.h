/* SQLite3 as Ruby sees it: what its classes share. */
#ifndef MRUBY_SQLITE3_DATABASE_H
#define MRUBY_SQLITE3_DATABASE_H

#include <mruby.h>

#include "connection.h"

/* The connection of an SQLite3::Database; raises when it is closed or inherited. */
struct sqlite_connection *sqlite_connection_of(mrb_state *mrb, mrb_value self);

/* Raises when it was opened before a fork. */
void sqlite_check_fork(mrb_state *mrb, const struct sqlite_connection *connection);

/* For what a block that SQLite calls must not do to what is running. */
mrb_noreturn void sqlite_refuse(mrb_state *mrb, const char *what);

/* In a block's stead: keeps the exception and fails the connection; when SQLite has come back it is raised. */
void sqlite_keep_exception(mrb_state *mrb, mrb_value database, mrb_value exception, bool by_collation);
mrb_noreturn void sqlite_raise_kept(mrb_state *mrb, mrb_value database);

/* As SQLite3::Exception's subclass for `code`. */
mrb_noreturn void sqlite_raise(mrb_state *mrb, int code, const char *message);
mrb_noreturn void sqlite_raise_from(mrb_state *mrb, sqlite3 *handle, int code);

void sqlite_define_errors(mrb_state *mrb, struct RClass *module);
void sqlite_define_database(mrb_state *mrb, struct RClass *module);
void sqlite_define_statement(mrb_state *mrb, struct RClass *module);
void sqlite_define_functions(mrb_state *mrb, struct RClass *database);

#endif
