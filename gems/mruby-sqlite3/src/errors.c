/* SQLite3::Exception and its subclasses, one for each of SQLite's primary codes. */
#include <mruby.h>
#include <mruby/class.h>
#include <mruby/error.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include "database.h"

static const struct {
    int code;
    const char *name;
} exceptions[] = {
    { SQLITE_ERROR, "SQLException" },
    { SQLITE_INTERNAL, "InternalException" },
    { SQLITE_PERM, "PermissionException" },
    { SQLITE_ABORT, "AbortException" },
    { SQLITE_BUSY, "BusyException" },
    { SQLITE_LOCKED, "LockedException" },
    { SQLITE_NOMEM, "MemoryException" },
    { SQLITE_READONLY, "ReadOnlyException" },
    { SQLITE_INTERRUPT, "InterruptException" },
    { SQLITE_IOERR, "IOException" },
    { SQLITE_CORRUPT, "CorruptException" },
    { SQLITE_NOTFOUND, "NotFoundException" },
    { SQLITE_FULL, "FullException" },
    { SQLITE_CANTOPEN, "CantOpenException" },
    { SQLITE_PROTOCOL, "ProtocolException" },
    { SQLITE_EMPTY, "EmptyException" },
    { SQLITE_SCHEMA, "SchemaChangedException" },
    { SQLITE_TOOBIG, "TooBigException" },
    { SQLITE_CONSTRAINT, "ConstraintException" },
    { SQLITE_MISMATCH, "MismatchException" },
    { SQLITE_MISUSE, "MisuseException" },
    { SQLITE_NOLFS, "UnsupportedException" },
    { SQLITE_AUTH, "AuthorizationException" },
    { SQLITE_FORMAT, "FormatException" },
    { SQLITE_RANGE, "RangeException" },
    { SQLITE_NOTADB, "NotADatabaseException" },
};
#define EXCEPTIONS (sizeof exceptions / sizeof exceptions[0])

void sqlite_raise(mrb_state *mrb, int code, const char *message)
{
    const char *name = "Exception";

    for (size_t i = 0; i < EXCEPTIONS; i++)
        if (exceptions[i].code == (code & 0xff))
            name = exceptions[i].name;
    struct RClass *class = mrb_class_get_under(mrb, mrb_module_get(mrb, "SQLite3"), name);
    mrb_value exception = mrb_exc_new_str(mrb, class, mrb_str_new_cstr(mrb, message));
    mrb_iv_set(mrb, exception, mrb_intern_lit(mrb, "@code"), mrb_fixnum_value(code));
    mrb_exc_raise(mrb, exception);
}

void sqlite_raise_from(mrb_state *mrb, sqlite3 *handle, int code)
{
    sqlite_raise(mrb, code, sqlite3_errmsg(handle));
}

void sqlite_define_errors(mrb_state *mrb, struct RClass *module)
{
    struct RClass *base = mrb_define_class_under(mrb, module, "Exception", E_STANDARD_ERROR);

    for (size_t i = 0; i < EXCEPTIONS; i++)
        mrb_define_class_under(mrb, module, exceptions[i].name, base);
}
