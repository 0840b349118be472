/*
 * Connections to databases, without Ruby. SQLite's must not cross a fork: what is open then is inherited by the child,
 * which may neither use nor close it, nor open the same file as long as SQLite believes it to be open.
 */
#ifndef MRUBY_SQLITE3_CONNECTION_H
#define MRUBY_SQLITE3_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>

#include <sqlite3.h>

struct sqlite_connection;

struct sqlite_statement {
    sqlite3_stmt *handle;                 /* NULL: closed */
    struct sqlite_connection *connection; /* NULL: closed */
    bool done;                            /* has no row any more, until it is reset */
    bool running;                         /* is being stepped, in a block that SQLite calls */
    struct sqlite_statement *next, **link;
};

struct sqlite_connection {
    sqlite3 *handle;
    struct sqlite_statement *statements; /* that are open */
    bool inherited;                      /* by a fork */
    int running;                         /* calls of SQLite's that may call Ruby */
    bool raised;                         /* a block has; until its statement has ended */
    bool unordered;                      /* it was a collation's, about which SQLite knows nothing */
    bool doomed;                         /* what was written then is not to be committed; until it is rolled back */
    int busy_timeout_ms;
    bool (*is_interrupted)(void *owner); /* asked while SQLite computes or waits: true ends that; NULL: never */
    void *owner;
    struct sqlite_connection *next, **link;
};

/* 0, or SQLite's code; then `error`, of `size`, says why. */
int sqlite_connection_open(struct sqlite_connection **connection, const char *path, int flags, const char *vfs,
                           char *error, size_t size);

/* Closes its statements, too; lets go of one that is inherited. `connection` is not to be used any more. */
void sqlite_connection_close(struct sqlite_connection *connection);

/* A block has raised: what runs is to end soon, and nothing of it is to be committed. */
void sqlite_connection_fail(struct sqlite_connection *connection, bool by_collation);

/* Waits for locks of others, this long; 0: not at all. */
void sqlite_connection_set_busy_timeout(struct sqlite_connection *connection, int ms);

/*
 * SQLite's code; the statement is open then, unless there is nothing but space and comments in `sql`. *raised: whether
 * a block has; then it is not open.
 */
int sqlite_statement_open(struct sqlite_statement *statement, struct sqlite_connection *connection, const char *sql,
                          const char **rest, bool *raised);

/*
 * SQLite's code; the statement is reset unless it has a row or is done. *raised: whether a block has; then it is reset,
 * and nothing that it wrote stays. A collation can't tell SQLite that it has failed: with what was written by its order
 * goes the transaction around it, as when SQLite is interrupted.
 */
int sqlite_statement_step(struct sqlite_statement *statement, bool *raised);
void sqlite_statement_close(struct sqlite_statement *statement);

#endif
