/* SQLite3::Statement. */
#include <string.h>

#include <mruby.h>
#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/data.h>
#include <mruby/hash.h>
#include <mruby/internal.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include "database.h"
#include "value.h"

static void free_statement(mrb_state *mrb, void *data)
{
    if (data != NULL)
        sqlite_statement_close(data);
    mrb_free(mrb, data);
}

static const struct mrb_data_type statement_type = { "SQLite3::Statement", free_statement };

static mrb_value database_of(mrb_state *mrb, mrb_value self)
{
    return mrb_iv_get(mrb, self, mrb_intern_lit(mrb, "@connection"));
}

static struct sqlite_statement *open_statement(mrb_state *mrb, mrb_value self)
{
    struct sqlite_statement *statement = mrb_data_check_get_ptr(mrb, self, &statement_type);

    if (statement == NULL || statement->connection == NULL)
        sqlite_raise(mrb, SQLITE_OK, "cannot use a closed statement");
    sqlite_check_fork(mrb, statement->connection);
    return statement;
}

static struct sqlite_statement *idle_statement(mrb_state *mrb, mrb_value self, const char *what)
{
    struct sqlite_statement *statement = open_statement(mrb, self);

    if (statement->running)
        sqlite_refuse(mrb, what);
    return statement;
}

/* prepare_v2(database, sql) -> what follows the first statement of `sql` */
static mrb_value prepare(mrb_state *mrb, mrb_value self)
{
    mrb_value database, sql;
    const char *rest = NULL;

    mrb_get_args(mrb, "oS", &database, &sql);
    struct sqlite_connection *connection = sqlite_connection_of(mrb, database);
    if (mrb_data_check_get_ptr(mrb, self, &statement_type) != NULL)
        mrb_raise(mrb, E_ARGUMENT_ERROR, "the statement is prepared already");
    struct sqlite_statement *statement = mrb_calloc(mrb, 1, sizeof *statement);
    mrb_data_init(self, statement, &statement_type);
    mrb_iv_set(mrb, self, mrb_intern_lit(mrb, "@connection"), database);

    const char *text = mrb_string_cstr(mrb, sql);
    bool raised;
    int code = sqlite_statement_open(statement, connection, text, &rest, &raised);
    if (raised)
        sqlite_raise_kept(mrb, database);
    if (code != SQLITE_OK)
        sqlite_raise_from(mrb, connection->handle, code);
    mrb_int begin = rest - text;
    return mrb_str_byte_subseq(mrb, sql, begin, RSTRING_LEN(sql) - begin);
}

static mrb_value close_statement(mrb_state *mrb, mrb_value self)
{
    struct sqlite_statement *statement = idle_statement(mrb, self, "close");

    sqlite_statement_close(statement);
    return self;
}

static mrb_value is_closed(mrb_state *mrb, mrb_value self)
{
    const struct sqlite_statement *statement = mrb_data_check_get_ptr(mrb, self, &statement_type);

    return mrb_bool_value(statement == NULL || statement->connection == NULL);
}

static mrb_value refuse_copy(mrb_state *mrb, mrb_value self)
{
    mrb_raisef(mrb, E_TYPE_ERROR, "can't copy %C", mrb_obj_class(mrb, self));
}

/* :name, "name", ":name", "@name", "$name" or a number from 1; 0: no such parameter. */
static int parameter_index(mrb_state *mrb, sqlite3_stmt *handle, mrb_value key)
{
    if (mrb_symbol_p(key))
        key = mrb_sym_str(mrb, mrb_symbol(key));
    if (!mrb_string_p(key)) {
        mrb_int index = mrb_as_int(mrb, key);
        return index > 0 && index <= INT32_MAX ? (int)index : 0;
    }
    if (RSTRING_LEN(key) == 0 || strchr(":@$", RSTRING_PTR(key)[0]) == NULL)
        key = mrb_str_plus(mrb, mrb_str_new_lit(mrb, ":"), key);
    return sqlite3_bind_parameter_index(handle, mrb_string_cstr(mrb, key));
}

static int bind_datum(sqlite3_stmt *handle, int index, struct sqlite_datum datum)
{
    switch (datum.type) {
    case SQLITE_INTEGER: return sqlite3_bind_int64(handle, index, datum.integer);
    case SQLITE_FLOAT: return sqlite3_bind_double(handle, index, datum.real);
    case SQLITE_TEXT:
        return sqlite3_bind_text64(handle, index, datum.text.bytes, datum.text.length, SQLITE_TRANSIENT, SQLITE_UTF8);
    case SQLITE_BLOB: return sqlite3_bind_blob64(handle, index, datum.text.bytes, datum.text.length, SQLITE_TRANSIENT);
    default: return sqlite3_bind_null(handle, index);
    }
}

static mrb_value bind_param(mrb_state *mrb, mrb_value self)
{
    mrb_value key, value;

    mrb_get_args(mrb, "oo", &key, &value);
    const struct sqlite_statement *statement = open_statement(mrb, self);
    int index = parameter_index(mrb, statement->handle, key);
    if (index == 0)
        mrb_raise(mrb, mrb_class_get_under(mrb, mrb_module_get(mrb, "SQLite3"), "Exception"), "no such bind parameter");
    int code = bind_datum(statement->handle, index, sqlite_datum_of(mrb, value, "prepare"));
    if (code != SQLITE_OK)
        sqlite_raise_from(mrb, statement->connection->handle, code);
    return self;
}

static mrb_value parameter_count(mrb_state *mrb, mrb_value self)
{
    return mrb_fixnum_value(sqlite3_bind_parameter_count(open_statement(mrb, self)->handle));
}

static mrb_value clear_bindings(mrb_state *mrb, mrb_value self)
{
    struct sqlite_statement *statement = idle_statement(mrb, self, "clear_bindings!");

    sqlite3_clear_bindings(statement->handle);
    statement->done = false;
    return self;
}

static mrb_value reset(mrb_state *mrb, mrb_value self)
{
    struct sqlite_statement *statement = idle_statement(mrb, self, "reset!");

    sqlite3_reset(statement->handle);
    statement->done = false;
    return self;
}

/* Goes to the next row; false: there is none. */
static mrb_bool next_row(mrb_state *mrb, mrb_value self, struct sqlite_statement *statement)
{
    bool raised;

    if (statement->done)
        return FALSE;
    if (statement->running)
        sqlite_refuse(mrb, "step");
    int code = sqlite_statement_step(statement, &raised);
    if (raised)
        sqlite_raise_kept(mrb, database_of(mrb, self));
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        sqlite_raise_from(mrb, statement->connection->handle, code);
    return code == SQLITE_ROW;
}

static mrb_value row_as_array(mrb_state *mrb, sqlite3_stmt *handle)
{
    int count = sqlite3_data_count(handle);
    mrb_value row = mrb_ary_new_capa(mrb, count);
    int arena = mrb_gc_arena_save(mrb);

    for (int i = 0; i < count; i++) {
        mrb_ary_push(mrb, row, sqlite_value_of_column(mrb, handle, i));
        mrb_gc_arena_restore(mrb, arena);
    }
    return row;
}

static mrb_value row_as_hash(mrb_state *mrb, sqlite3_stmt *handle, mrb_value columns)
{
    int count = sqlite3_data_count(handle);
    mrb_value row = mrb_hash_new_capa(mrb, count);
    int arena = mrb_gc_arena_save(mrb);

    for (int i = 0; i < count; i++) {
        mrb_hash_set(mrb, row, mrb_ary_ref(mrb, columns, i), sqlite_value_of_column(mrb, handle, i));
        mrb_gc_arena_restore(mrb, arena);
    }
    return row;
}

/* The names of the columns: frozen, so that the rows share them. */
static mrb_value columns(mrb_state *mrb, mrb_value self)
{
    sqlite3_stmt *handle = open_statement(mrb, self)->handle;
    int count = sqlite3_column_count(handle);
    mrb_value names = mrb_iv_get(mrb, self, mrb_intern_lit(mrb, "@columns"));

    if (mrb_array_p(names) && RARRAY_LEN(names) == count)
        return names;
    names = mrb_ary_new_capa(mrb, count);
    for (int i = 0; i < count; i++) {
        const char *name = sqlite3_column_name(handle, i);
        mrb_ary_push(mrb, names, mrb_obj_freeze(mrb, mrb_str_new_cstr(mrb, name != NULL ? name : "")));
    }
    mrb_iv_set(mrb, self, mrb_intern_lit(mrb, "@columns"), names);
    return names;
}

static mrb_value step(mrb_state *mrb, mrb_value self)
{
    struct sqlite_statement *statement = open_statement(mrb, self);

    return next_row(mrb, self, statement) ? row_as_array(mrb, statement->handle) : mrb_nil_value();
}

static mrb_value step_hash(mrb_state *mrb, mrb_value self)
{
    struct sqlite_statement *statement = open_statement(mrb, self);

    if (!next_row(mrb, self, statement))
        return mrb_nil_value();
    return row_as_hash(mrb, statement->handle, columns(mrb, self));
}

/* rows(as_hash) -> all that are left */
static mrb_value rows(mrb_state *mrb, mrb_value self)
{
    mrb_bool as_hash;

    mrb_get_args(mrb, "b", &as_hash);
    struct sqlite_statement *statement = open_statement(mrb, self);
    mrb_value result = mrb_ary_new(mrb), names = mrb_nil_value();
    int arena = mrb_gc_arena_save(mrb);
    while (next_row(mrb, self, statement)) {
        if (as_hash && mrb_nil_p(names)) {
            names = columns(mrb, self);
            arena = mrb_gc_arena_save(mrb);
        }
        mrb_ary_push(mrb, result,
                     as_hash ? row_as_hash(mrb, statement->handle, names) : row_as_array(mrb, statement->handle));
        mrb_gc_arena_restore(mrb, arena);
    }
    return result;
}

static mrb_value is_done(mrb_state *mrb, mrb_value self)
{
    return mrb_bool_value(open_statement(mrb, self)->done);
}

static mrb_value column_count(mrb_state *mrb, mrb_value self)
{
    return mrb_fixnum_value(sqlite3_column_count(open_statement(mrb, self)->handle));
}

static mrb_value text_of_column(mrb_state *mrb, mrb_value self, const char *(*text)(sqlite3_stmt *, int))
{
    mrb_int column;

    mrb_get_args(mrb, "i", &column);
    sqlite3_stmt *handle = open_statement(mrb, self)->handle;
    const char *name = column >= 0 && column < sqlite3_column_count(handle) ? text(handle, (int)column) : NULL;
    return name != NULL ? mrb_str_new_cstr(mrb, name) : mrb_nil_value();
}

static mrb_value column_name(mrb_state *mrb, mrb_value self)
{
    return text_of_column(mrb, self, sqlite3_column_name);
}

static mrb_value column_decltype(mrb_state *mrb, mrb_value self)
{
    return text_of_column(mrb, self, sqlite3_column_decltype);
}

static mrb_value sql(mrb_state *mrb, mrb_value self)
{
    return mrb_str_new_cstr(mrb, sqlite3_sql(open_statement(mrb, self)->handle));
}

static mrb_value expanded_sql(mrb_state *mrb, mrb_value self)
{
    char *text = sqlite3_expanded_sql(open_statement(mrb, self)->handle);

    if (text == NULL)
        sqlite_raise(mrb, SQLITE_NOMEM, sqlite3_errstr(SQLITE_NOMEM));
    mrb_value result = mrb_str_new_cstr(mrb, text);
    sqlite3_free(text);
    return result;
}

static mrb_value is_readonly(mrb_state *mrb, mrb_value self)
{
    return mrb_bool_value(sqlite3_stmt_readonly(open_statement(mrb, self)->handle));
}

void sqlite_define_statement(mrb_state *mrb, struct RClass *module)
{
    struct RClass *statement = mrb_define_class_under(mrb, module, "Statement", mrb->object_class);

    MRB_SET_INSTANCE_TT(statement, MRB_TT_CDATA);
    mrb_define_method(mrb, statement, "initialize_copy", refuse_copy, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, statement, "prepare_v2", prepare, MRB_ARGS_REQ(2));
    mrb_define_method(mrb, statement, "close", close_statement, MRB_ARGS_NONE());
    mrb_define_method(mrb, statement, "closed?", is_closed, MRB_ARGS_NONE());
    mrb_define_method(mrb, statement, "bind_param", bind_param, MRB_ARGS_REQ(2));
    mrb_define_method(mrb, statement, "bind_parameter_count", parameter_count, MRB_ARGS_NONE());
    mrb_define_method(mrb, statement, "clear_bindings!", clear_bindings, MRB_ARGS_NONE());
    mrb_define_method(mrb, statement, "reset!", reset, MRB_ARGS_NONE());
    mrb_define_method(mrb, statement, "step", step, MRB_ARGS_NONE());
    mrb_define_method(mrb, statement, "step_hash", step_hash, MRB_ARGS_NONE());
    mrb_define_method(mrb, statement, "rows", rows, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, statement, "done?", is_done, MRB_ARGS_NONE());
    mrb_define_method(mrb, statement, "columns", columns, MRB_ARGS_NONE());
    mrb_define_method(mrb, statement, "column_count", column_count, MRB_ARGS_NONE());
    mrb_define_method(mrb, statement, "column_name", column_name, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, statement, "column_decltype", column_decltype, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, statement, "sql", sql, MRB_ARGS_NONE());
    mrb_define_method(mrb, statement, "expanded_sql", expanded_sql, MRB_ARGS_NONE());
    mrb_define_method(mrb, statement, "readonly?", is_readonly, MRB_ARGS_NONE());
}
