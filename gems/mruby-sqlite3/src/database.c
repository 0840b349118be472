/* SQLite3::Database, as far as it needs SQLite itself. */
#include "database.h"

#include <mruby.h>
#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/data.h>
#include <mruby/string.h>
#include <mruby/variable.h>

static void free_database(mrb_state *mrb, void *data)
{
    (void)mrb;
    if (data != NULL)
        sqlite_connection_close(data);
}

static const struct mrb_data_type database_type = { "SQLite3::Database", free_database };

void sqlite_check_fork(mrb_state *mrb, const struct sqlite_connection *connection)
{
    if (connection->inherited)
        sqlite_raise(
            mrb, SQLITE_MISUSE,
            "the database was opened before this process was forked: open it in each process (in a worker_start hook)");
}

void sqlite_refuse(mrb_state *mrb, const char *what)
{
    mrb_raisef(mrb, mrb_class_get_under(mrb, mrb_module_get(mrb, "SQLite3"), "MisuseException"),
               "%s in a block that the statement calls", what);
}

struct sqlite_connection *sqlite_connection_of(mrb_state *mrb, mrb_value self)
{
    struct sqlite_connection *connection = mrb_data_check_get_ptr(mrb, self, &database_type);

    if (connection == NULL)
        sqlite_raise(mrb, SQLITE_OK, "cannot use a closed database");
    sqlite_check_fork(mrb, connection);
    return connection;
}

void sqlite_keep_exception(mrb_state *mrb, mrb_value database, mrb_value exception, bool by_collation)
{
    /* Its place was made before: nothing here may raise. */
    mrb_ary_set(mrb, mrb_iv_get(mrb, database, mrb_intern_lit(mrb, "raised")), 0, exception);
    sqlite_connection_fail(DATA_PTR(database), by_collation);
}

void sqlite_raise_kept(mrb_state *mrb, mrb_value database)
{
    mrb_value place = mrb_iv_get(mrb, database, mrb_intern_lit(mrb, "raised"));
    mrb_value exception = RARRAY_PTR(place)[0];

    mrb_ary_set(mrb, place, 0, mrb_nil_value());
    mrb_exc_raise(mrb, exception);
}

/* A signal handler of the program's has asked mruby to stop. */
static bool is_interrupted(void *owner)
{
#ifdef MRB_USE_DEBUG_HOOK
    return ((mrb_state *)owner)->code_fetch_hook != NULL;
#else
    return (void)owner, false;
#endif
}

/* open_v2(path, flags, vfs) */
static mrb_value open_v2(mrb_state *mrb, mrb_value self)
{
    struct sqlite_connection *connection;
    const char *path, *vfs = NULL;
    char error[1024];
    mrb_int flags;

    mrb_get_args(mrb, "ziz!", &path, &flags, &vfs);
    if (mrb_data_check_get_ptr(mrb, self, &database_type) != NULL)
        mrb_raise(mrb, E_ARGUMENT_ERROR, "the database is open already");
    mrb_iv_set(mrb, self, mrb_intern_lit(mrb, "raised"), mrb_assoc_new(mrb, mrb_nil_value(), mrb_nil_value()));
    int code = sqlite_connection_open(&connection, path, (int)flags, vfs, error, sizeof error);
    if (code != SQLITE_OK)
        sqlite_raise(mrb, code, error);
    connection->is_interrupted = is_interrupted;
    connection->owner = mrb;
    mrb_data_init(self, connection, &database_type);
    return self;
}

static mrb_value close_database(mrb_state *mrb, mrb_value self)
{
    struct sqlite_connection *connection = mrb_data_check_get_ptr(mrb, self, &database_type);

    if (connection == NULL)
        return self;
    if (connection->running > 0)
        sqlite_refuse(mrb, "close");
    DATA_PTR(self) = NULL;
    sqlite_connection_close(connection);
    return self;
}

static mrb_value is_closed(mrb_state *mrb, mrb_value self)
{
    return mrb_bool_value(mrb_data_check_get_ptr(mrb, self, &database_type) == NULL);
}

static mrb_value refuse_copy(mrb_state *mrb, mrb_value self)
{
    mrb_raisef(mrb, E_TYPE_ERROR, "can't copy %C", mrb_obj_class(mrb, self));
}

static mrb_value set_busy_timeout(mrb_state *mrb, mrb_value self)
{
    mrb_int ms;

    mrb_get_args(mrb, "i", &ms);
    sqlite_connection_set_busy_timeout(sqlite_connection_of(mrb, self), ms > INT32_MAX ? INT32_MAX : (int)ms);
    return self;
}

static mrb_value changes(mrb_state *mrb, mrb_value self)
{
    return mrb_int_value(mrb, sqlite3_changes(sqlite_connection_of(mrb, self)->handle));
}

static mrb_value total_changes(mrb_state *mrb, mrb_value self)
{
    return mrb_int_value(mrb, sqlite3_total_changes(sqlite_connection_of(mrb, self)->handle));
}

static mrb_value last_insert_row_id(mrb_state *mrb, mrb_value self)
{
    return mrb_int_value(mrb, sqlite3_last_insert_rowid(sqlite_connection_of(mrb, self)->handle));
}

static mrb_value is_in_transaction(mrb_state *mrb, mrb_value self)
{
    return mrb_bool_value(!sqlite3_get_autocommit(sqlite_connection_of(mrb, self)->handle));
}

static mrb_value error_message(mrb_state *mrb, mrb_value self)
{
    return mrb_str_new_cstr(mrb, sqlite3_errmsg(sqlite_connection_of(mrb, self)->handle));
}

static mrb_value error_code(mrb_state *mrb, mrb_value self)
{
    return mrb_fixnum_value(sqlite3_errcode(sqlite_connection_of(mrb, self)->handle));
}

static mrb_value interrupt(mrb_state *mrb, mrb_value self)
{
    sqlite3_interrupt(sqlite_connection_of(mrb, self)->handle);
    return self;
}

static mrb_value set_extended_result_codes(mrb_state *mrb, mrb_value self)
{
    mrb_bool on;

    mrb_get_args(mrb, "b", &on);
    sqlite3_extended_result_codes(sqlite_connection_of(mrb, self)->handle, on);
    return mrb_bool_value(on);
}

/* Of the main database, or of one that was attached by this name; "" for one in memory. */
static mrb_value filename(mrb_state *mrb, mrb_value self)
{
    const char *name = "main";

    mrb_get_args(mrb, "|z", &name);
    const char *path = sqlite3_db_filename(sqlite_connection_of(mrb, self)->handle, name);
    return path != NULL ? mrb_str_new_cstr(mrb, path) : mrb_nil_value();
}

static mrb_value is_complete(mrb_state *mrb, mrb_value self)
{
    const char *sql;

    (void)self;
    mrb_get_args(mrb, "z", &sql);
    return mrb_bool_value(sqlite3_complete(sql));
}

static mrb_value library_version(mrb_state *mrb, mrb_value self)
{
    (void)mrb, (void)self;
    return mrb_fixnum_value(sqlite3_libversion_number());
}

void sqlite_define_database(mrb_state *mrb, struct RClass *module)
{
    struct RClass *database = mrb_define_class_under(mrb, module, "Database", mrb->object_class);

    MRB_SET_INSTANCE_TT(database, MRB_TT_CDATA);
    mrb_define_method(mrb, database, "initialize_copy", refuse_copy, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, database, "open_v2", open_v2, MRB_ARGS_REQ(3));
    mrb_define_method(mrb, database, "close", close_database, MRB_ARGS_NONE());
    mrb_define_method(mrb, database, "closed?", is_closed, MRB_ARGS_NONE());
    mrb_define_method(mrb, database, "busy_timeout=", set_busy_timeout, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, database, "busy_timeout", set_busy_timeout, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, database, "changes", changes, MRB_ARGS_NONE());
    mrb_define_method(mrb, database, "total_changes", total_changes, MRB_ARGS_NONE());
    mrb_define_method(mrb, database, "last_insert_row_id", last_insert_row_id, MRB_ARGS_NONE());
    mrb_define_method(mrb, database, "transaction_active?", is_in_transaction, MRB_ARGS_NONE());
    mrb_define_method(mrb, database, "errmsg", error_message, MRB_ARGS_NONE());
    mrb_define_method(mrb, database, "errcode", error_code, MRB_ARGS_NONE());
    mrb_define_method(mrb, database, "interrupt", interrupt, MRB_ARGS_NONE());
    mrb_define_method(mrb, database, "extended_result_codes=", set_extended_result_codes, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, database, "filename", filename, MRB_ARGS_OPT(1));
    mrb_define_method(mrb, database, "complete?", is_complete, MRB_ARGS_REQ(1));
    sqlite_define_functions(mrb, database);

    mrb_define_module_function(mrb, module, "libversion", library_version, MRB_ARGS_NONE());
    mrb_define_const(mrb, module, "SQLITE_VERSION", mrb_str_new_lit_frozen(mrb, SQLITE_VERSION));
    mrb_define_const(mrb, module, "SQLITE_LOADED_VERSION",
                     mrb_obj_freeze(mrb, mrb_str_new_cstr(mrb, sqlite3_libversion())));
}

void mrb_mruby_sqlite3_gem_init(mrb_state *mrb);
void mrb_mruby_sqlite3_gem_final(mrb_state *mrb);

void mrb_mruby_sqlite3_gem_init(mrb_state *mrb)
{
    struct RClass *module = mrb_define_module(mrb, "SQLite3");

    sqlite3_initialize(); /* before a fork: shared */
    struct RClass *blob = mrb_define_class_under(mrb, module, "Blob", mrb->string_class);
    MRB_SET_INSTANCE_TT(blob, MRB_TT_STRING);
    sqlite_define_errors(mrb, module);
    sqlite_define_database(mrb, module);
    sqlite_define_statement(mrb, module);
}

void mrb_mruby_sqlite3_gem_final(mrb_state *mrb)
{
    (void)mrb;
}
