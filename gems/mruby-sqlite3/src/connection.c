#include "connection.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define OPCODES_BETWEEN_LOOKS 1000 /* for an interruption: some 10 us */
#define PAUSE_MAX_MS 50

static struct sqlite_connection *connections; /* that are open in this process */

static void inherit_all(void)
{
    for (struct sqlite_connection *connection = connections; connection != NULL; connection = connection->next)
        connection->inherited = true;
}

static bool is_file(const char *path, const struct stat *file)
{
    struct stat other;

    return path != NULL && path[0] != '\0' && stat(path, &other) == 0 && other.st_dev == file->st_dev &&
           other.st_ino == file->st_ino;
}

static bool has_file(const struct sqlite_connection *connection, const struct stat *file)
{
    const char *name;

    for (int i = 0; (name = sqlite3_db_name(connection->handle, i)) != NULL; i++)
        if (is_file(sqlite3_db_filename(connection->handle, name), file))
            return true;
    return false;
}

/* SQLite knows a file by its inode, and would believe that it holds the locks that the parent has. */
static bool is_inherited(const char *path)
{
    struct stat file;

    if (stat(path, &file) == -1)
        return false;
    for (const struct sqlite_connection *other = connections; other != NULL; other = other->next)
        if (other->inherited && has_file(other, &file))
            return true;
    return false;
}

static int look(void *data)
{
    const struct sqlite_connection *connection = data;

    return connection->raised || (connection->is_interrupted != NULL && connection->is_interrupted(connection->owner));
}

/* Not 0: there will be no commit. */
static int refuse_commit(void *data)
{
    const struct sqlite_connection *connection = data;

    return connection->raised || connection->doomed;
}

/* Also after a commit that was refused. */
static void note_rollback(void *data)
{
    struct sqlite_connection *connection = data;

    connection->doomed = false;
}

/* Longer pauses as it takes longer; counted, and not measured: a signal ends a pause. */
static int wait_for_lock(void *data, int count)
{
    const struct sqlite_connection *connection = data;
    int pause_ms = count < PAUSE_MAX_MS ? count + 1 : PAUSE_MAX_MS;
    int waited_ms = count < PAUSE_MAX_MS
                        ? count * (count + 1) / 2
                        : PAUSE_MAX_MS * (PAUSE_MAX_MS + 1) / 2 + (count - PAUSE_MAX_MS) * PAUSE_MAX_MS;

    if (waited_ms >= connection->busy_timeout_ms || look(data))
        return 0;
    if (pause_ms > connection->busy_timeout_ms - waited_ms)
        pause_ms = connection->busy_timeout_ms - waited_ms;
    nanosleep(&(struct timespec){ .tv_nsec = (long)pause_ms * 1000000 }, NULL);
    return 1;
}

int sqlite_connection_open(struct sqlite_connection **connection, const char *path, int flags, const char *vfs,
                           char *error, size_t size)
{
    static bool watching;
    struct sqlite_connection *made;

    *connection = NULL;
    if (!watching && pthread_atfork(NULL, NULL, inherit_all) == 0)
        watching = true;
    if (is_inherited(path)) {
        snprintf(error, size, "%s was open when this process was forked, and still is: close it before the fork", path);
        return SQLITE_MISUSE;
    }
    if ((flags & SQLITE_OPEN_FULLMUTEX) == 0)
        flags |= SQLITE_OPEN_NOMUTEX; /* its interpreter has one thread: a lock at each call would be for nobody */
    made = calloc(1, sizeof *made);
    int code = made != NULL && watching ? sqlite3_open_v2(path, &made->handle, flags, vfs) : SQLITE_NOMEM;
    if (code != SQLITE_OK) {
        snprintf(error, size, "%s: %s",
                 made != NULL && made->handle != NULL ? sqlite3_errmsg(made->handle) : sqlite3_errstr(code), path);
        if (made != NULL)
            sqlite3_close(made->handle);
        free(made);
        return code;
    }
    sqlite3_progress_handler(made->handle, OPCODES_BETWEEN_LOOKS, look, made);
    sqlite3_commit_hook(made->handle, refuse_commit, made);
    sqlite3_rollback_hook(made->handle, note_rollback, made);
    made->next = connections;
    made->link = &connections;
    if (connections != NULL)
        connections->link = &made->next;
    connections = made;
    *connection = made;
    return SQLITE_OK;
}

void sqlite_connection_close(struct sqlite_connection *connection)
{
    while (connection->statements != NULL)
        sqlite_statement_close(connection->statements);
    connection->is_interrupted = NULL;
    if (connection->inherited)
        return; /* the parent's; stays in the list of what is open */
    *connection->link = connection->next;
    if (connection->next != NULL)
        connection->next->link = connection->link;
    sqlite3_close_v2(connection->handle);
    free(connection);
}

void sqlite_connection_fail(struct sqlite_connection *connection, bool by_collation)
{
    connection->raised = true;
    connection->unordered = by_collation;
    /* What begins before this is settled, such as the inner statements of VACUUM, ends at once. */
    sqlite3_progress_handler(connection->handle, 1, look, connection);
}

static bool take_failure(struct sqlite_connection *connection)
{
    if (!connection->raised)
        return false;
    connection->raised = connection->unordered = false;
    sqlite3_progress_handler(connection->handle, OPCODES_BETWEEN_LOOKS, look, connection);
    return true;
}

void sqlite_connection_set_busy_timeout(struct sqlite_connection *connection, int ms)
{
    connection->busy_timeout_ms = ms;
    sqlite3_busy_handler(connection->handle, ms > 0 ? wait_for_lock : NULL, connection);
}

int sqlite_statement_open(struct sqlite_statement *statement, struct sqlite_connection *connection, const char *sql,
                          const char **rest, bool *raised)
{
    connection->running++;
    int code = sqlite3_prepare_v2(connection->handle, sql, -1, &statement->handle, rest);
    connection->running--;
    *raised = take_failure(connection);
    if (*raised) {
        sqlite3_finalize(statement->handle);
        statement->handle = NULL;
    }
    if (statement->handle == NULL)
        return code;
    statement->connection = connection;
    statement->done = false;
    statement->next = connection->statements;
    statement->link = &connection->statements;
    if (statement->next != NULL)
        statement->next->link = &statement->next;
    connection->statements = statement;
    return SQLITE_OK;
}

int sqlite_statement_step(struct sqlite_statement *statement, bool *raised)
{
    struct sqlite_connection *connection = statement->connection;

    connection->running++;
    statement->running = true;
    int code = sqlite3_step(statement->handle);
    statement->running = false;
    connection->running--;
    bool failed = code != SQLITE_ROW && code != SQLITE_DONE;
    if (failed || connection->raised)
        sqlite3_reset(statement->handle); /* keeps the message; what it would commit is refused */
    bool unordered = connection->unordered && !sqlite3_stmt_readonly(statement->handle);
    *raised = take_failure(connection);
    if (unordered && !sqlite3_get_autocommit(connection->handle))
        sqlite3_exec(connection->handle, "rollback", NULL, NULL, NULL);
    if (unordered) /* a statement that it was called in, or one between its rows, would commit it */
        connection->doomed = sqlite3_txn_state(connection->handle, NULL) == SQLITE_TXN_WRITE;
    statement->done = code == SQLITE_DONE && !*raised;
    return code;
}

void sqlite_statement_close(struct sqlite_statement *statement)
{
    if (statement->connection == NULL)
        return;
    *statement->link = statement->next;
    if (statement->next != NULL)
        statement->next->link = statement->link;
    if (!statement->connection->inherited)
        sqlite3_finalize(statement->handle);
    statement->handle = NULL;
    statement->connection = NULL;
}
