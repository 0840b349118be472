#include "value.h"

#include <mruby/class.h>
#include <mruby/internal.h>
#include <mruby/numeric.h>
#include <mruby/string.h>

static struct RClass *blob_class(mrb_state *mrb)
{
    return mrb_class_get_under(mrb, mrb_module_get(mrb, "SQLite3"), "Blob");
}

/* The result of a calculation may be a small one. */
static struct sqlite_datum datum_of_big(mrb_state *mrb, mrb_value big)
{
    double about = mrb_as_float(mrb, big);

#ifdef MRB_USE_BIGINT
    if (about > -0x1p63 && about < 0x1p63)
        return (struct sqlite_datum){ .type = SQLITE_INTEGER, .integer = mrb_bint_as_int64(mrb, big) };
    if (about == -0x1p63 &&
        mrb_str_equal(mrb, mrb_obj_as_string(mrb, big), mrb_str_new_lit(mrb, "-9223372036854775808")))
        return (struct sqlite_datum){ .type = SQLITE_INTEGER, .integer = INT64_MIN };
#endif
    return (struct sqlite_datum){ .type = SQLITE_FLOAT, .real = about };
}

struct sqlite_datum sqlite_datum_of(mrb_state *mrb, mrb_value value, const char *verb)
{
    switch (mrb_type(value)) {
    case MRB_TT_INTEGER: return (struct sqlite_datum){ .type = SQLITE_INTEGER, .integer = mrb_integer(value) };
    case MRB_TT_BIGINT: return datum_of_big(mrb, value);
    case MRB_TT_FLOAT: return (struct sqlite_datum){ .type = SQLITE_FLOAT, .real = mrb_as_float(mrb, value) };
    case MRB_TT_STRING:
        return (struct sqlite_datum){
            .type = mrb_obj_is_kind_of(mrb, value, blob_class(mrb)) ? SQLITE_BLOB : SQLITE_TEXT,
            .text = { .bytes = RSTRING_PTR(value), .length = (sqlite3_uint64)RSTRING_LEN(value) },
        };
    default:
        if (mrb_nil_p(value))
            return (struct sqlite_datum){ .type = SQLITE_NULL };
        mrb_raisef(mrb, mrb_exc_get_id(mrb, mrb_intern_lit(mrb, "RuntimeError")), "can't %s %T", verb, value);
    }
}

/* Memory that ran out in a conversion of SQLite's: NULL with a length. */
static mrb_value new_string(mrb_state *mrb, const void *bytes, int length)
{
    if (bytes == NULL && length > 0)
        mrb_exc_raise(mrb, mrb_obj_value(mrb->nomem_err));
    return mrb_str_new(mrb, bytes != NULL ? bytes : "", length);
}

static mrb_value new_blob(mrb_state *mrb, const void *bytes, int length)
{
    mrb_value blob = new_string(mrb, bytes, length);

    mrb_basic_ptr(blob)->c = blob_class(mrb);
    return blob;
}

mrb_value sqlite_value_of_column(mrb_state *mrb, sqlite3_stmt *statement, int column)
{
    const void *bytes;

    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER: return mrb_int_value(mrb, sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT: return mrb_float_value(mrb, sqlite3_column_double(statement, column));
    case SQLITE_TEXT:
        bytes = sqlite3_column_text(statement, column);
        return new_string(mrb, bytes, sqlite3_column_bytes(statement, column));
    case SQLITE_BLOB:
        bytes = sqlite3_column_blob(statement, column);
        return new_blob(mrb, bytes, sqlite3_column_bytes(statement, column));
    default: return mrb_nil_value();
    }
}

mrb_value sqlite_value_of_argument(mrb_state *mrb, sqlite3_value *argument)
{
    const void *bytes;

    switch (sqlite3_value_type(argument)) {
    case SQLITE_INTEGER: return mrb_int_value(mrb, sqlite3_value_int64(argument));
    case SQLITE_FLOAT: return mrb_float_value(mrb, sqlite3_value_double(argument));
    case SQLITE_TEXT:
        bytes = sqlite3_value_text(argument);
        return new_string(mrb, bytes, sqlite3_value_bytes(argument));
    case SQLITE_BLOB: bytes = sqlite3_value_blob(argument); return new_blob(mrb, bytes, sqlite3_value_bytes(argument));
    default: return mrb_nil_value();
    }
}
