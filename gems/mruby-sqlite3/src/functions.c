/* Blocks that SQLite calls: functions for SQL, and collations. */
#include <stdlib.h>

#include <mruby.h>
#include <mruby/array.h>
#include <mruby/data.h>
#include <mruby/error.h>
#include <mruby/hash.h>
#include <mruby/proc.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include "database.h"
#include "value.h"

#define ARGUMENTS_MAX 127 /* SQLite's own limit */
#define ENCODINGS 7       /* of the flags: functions of one name for different ones are different functions */

struct function {
    mrb_state *mrb;
    struct RObject *database;
    mrb_value block; /* kept alive by the database */
};

struct text {
    const void *bytes;
    int length;
};

/* What SQLite calls a block for. No exception may pass through SQLite. */
struct call {
    const struct function *function;
    sqlite3_context *context;
    int count;
    sqlite3_value **arguments;
    const struct text *texts; /* or these, for a collation */
    mrb_int order;            /* its result */
};

static void set_result(mrb_state *mrb, sqlite3_context *context, mrb_value value)
{
    struct sqlite_datum datum = sqlite_datum_of(mrb, value, "return");

    switch (datum.type) {
    case SQLITE_INTEGER: sqlite3_result_int64(context, datum.integer); break;
    case SQLITE_FLOAT: sqlite3_result_double(context, datum.real); break;
    case SQLITE_TEXT:
        sqlite3_result_text64(context, datum.text.bytes, datum.text.length, SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
    case SQLITE_BLOB: sqlite3_result_blob64(context, datum.text.bytes, datum.text.length, SQLITE_TRANSIENT); break;
    default: sqlite3_result_null(context);
    }
}

static mrb_value call_body(mrb_state *mrb, void *data)
{
    struct call *call = data;
    mrb_value arguments = mrb_ary_new_capa(mrb, call->count);

    for (int i = 0; i < call->count; i++)
        mrb_ary_push(mrb, arguments,
                     call->texts != NULL ? mrb_str_new(mrb, call->texts[i].bytes, call->texts[i].length)
                                         : sqlite_value_of_argument(mrb, call->arguments[i]));
    mrb_value result = mrb_yield_argv(mrb, call->function->block, RARRAY_LEN(arguments), RARRAY_PTR(arguments));
    if (call->context != NULL)
        set_result(mrb, call->context, result);
    else
        call->order = mrb_as_int(mrb, result);
    return mrb_nil_value();
}

static struct sqlite_connection *connection_of(const struct function *function)
{
    return ((struct RData *)function->database)->data;
}

/* false: it has raised, what is kept, or one before it in the same statement has. */
static bool call_block(struct call *call)
{
    mrb_state *mrb = call->function->mrb;
    int arena = mrb_gc_arena_save(mrb);
    mrb_bool failed;

    if (connection_of(call->function)->raised)
        return false;

    mrb_value exception = mrb_protect_error(mrb, call_body, call, &failed);
    if (failed)
        sqlite_keep_exception(mrb, mrb_obj_value(call->function->database), exception, call->texts != NULL);
    mrb_gc_arena_restore(mrb, arena);
    return !failed;
}

static void call_function(sqlite3_context *context, int count, sqlite3_value **arguments)
{
    struct call call = {
        .function = sqlite3_user_data(context), .context = context, .count = count, .arguments = arguments
    };

    if (!call_block(&call))
        sqlite3_result_error(context, "a block has raised an exception", -1);
}

/* The blocks of a database by what they are for; what SQLite may call stays alive by it. */
static mrb_value blocks_of(mrb_state *mrb, mrb_value database)
{
    mrb_value kept = mrb_iv_get(mrb, database, mrb_intern_lit(mrb, "blocks"));

    if (mrb_nil_p(kept)) {
        kept = mrb_hash_new(mrb);
        mrb_iv_set(mrb, database, mrb_intern_lit(mrb, "blocks"), kept);
    }
    return kept;
}

/* *before: the block that it takes the place of, nil: none. */
static struct function *new_function(mrb_state *mrb, mrb_value database, mrb_value name, mrb_value block,
                                     mrb_value *before)
{
    mrb_value blocks = blocks_of(mrb, database);
    struct function *function = malloc(sizeof *function);

    if (function == NULL)
        mrb_exc_raise(mrb, mrb_obj_value(mrb->nomem_err));
    *function = (struct function){ .mrb = mrb, .database = mrb_obj_ptr(database), .block = block };
    *before = mrb_hash_get(mrb, blocks, name);
    mrb_gc_protect(mrb, *before); /* nothing else holds it until it is put back */
    mrb_hash_set(mrb, blocks, name, block);
    return function;
}

/* SQLite has refused the new one, and goes on calling the one before. */
static void put_back(mrb_state *mrb, mrb_value database, mrb_value name, mrb_value before)
{
    if (!mrb_nil_p(before))
        mrb_hash_set(mrb, blocks_of(mrb, database), name, before);
}

/* install_function(name, arity, flags, block) */
static mrb_value install_function(mrb_state *mrb, mrb_value self)
{
    mrb_value name, block;
    mrb_int arity, flags;

    mrb_get_args(mrb, "Siio", &name, &arity, &flags, &block);
    struct sqlite_connection *connection = sqlite_connection_of(mrb, self);
    const char *text = mrb_string_cstr(mrb, name);
    if (arity < 0 || arity > ARGUMENTS_MAX)
        arity = -1;
    mrb_value before, key = mrb_format(mrb, "function %v/%i/%i", name, arity, flags & ENCODINGS);
    struct function *function = new_function(mrb, self, key, block, &before);
    int code = sqlite3_create_function_v2(connection->handle, text, (int)arity, (int)flags, function, call_function,
                                          NULL, NULL, free);
    if (code != SQLITE_OK) {
        put_back(mrb, self, key, before);
        sqlite_raise_from(mrb, connection->handle, code);
    }
    return self;
}

static int compare(void *data, int length, const void *bytes, int other_length, const void *other)
{
    const struct text texts[] = { { bytes, length }, { other, other_length } };
    struct call call = { .function = data, .count = 2, .texts = texts };

    if (!call_block(&call))
        return 0;
    return call.order < 0 ? -1 : call.order > 0;
}

/* install_collation(name, block); nil takes it away */
static mrb_value install_collation(mrb_state *mrb, mrb_value self)
{
    mrb_value name, block, before = mrb_nil_value();

    mrb_get_args(mrb, "So", &name, &block);
    struct sqlite_connection *connection = sqlite_connection_of(mrb, self);
    const char *text = mrb_string_cstr(mrb, name);
    mrb_value key = mrb_format(mrb, "collation %v", name);
    struct function *function = mrb_nil_p(block) ? NULL : new_function(mrb, self, key, block, &before);
    int code = sqlite3_create_collation_v2(connection->handle, text, SQLITE_UTF8, function,
                                           function != NULL ? compare : NULL, free);
    if (code != SQLITE_OK) {
        free(function);
        put_back(mrb, self, key, before);
        sqlite_raise_from(mrb, connection->handle, code);
    }
    return self;
}

void sqlite_define_functions(mrb_state *mrb, struct RClass *database)
{
    mrb_define_method(mrb, database, "install_function", install_function, MRB_ARGS_REQ(4));
    mrb_define_method(mrb, database, "install_collation", install_collation, MRB_ARGS_REQ(2));
}
