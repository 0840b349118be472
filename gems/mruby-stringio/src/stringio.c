/* StringIO: what it is, where it stands, and whether it is open. */
#include "stringio.h"

#include <errno.h>
#include <string.h>

#include <mruby/class.h>
#include <mruby/data.h>
#include <mruby/error.h>
#include <mruby/ext/io.h>
#include <mruby/string.h>
#include <mruby/variable.h>

void mrb_mruby_stringio_gem_init(mrb_state *mrb);
void mrb_mruby_stringio_gem_final(mrb_state *mrb);

static const struct mrb_data_type stringio_type = { "StringIO", mrb_free };

mrb_noreturn void stringio_raise(mrb_state *mrb, const char *class, const char *message)
{
    mrb_raise(mrb, mrb_class_get(mrb, class), message);
}

struct stringio *stringio_of(mrb_state *mrb, mrb_value self)
{
    struct stringio *io = mrb_data_check_get_ptr(mrb, self, &stringio_type);

    if (io == NULL)
        stringio_raise(mrb, "IOError", "uninitialized stream");
    return io;
}

struct stringio *stringio_readable(mrb_state *mrb, mrb_value self)
{
    struct stringio *io = stringio_of(mrb, self);

    if (!io->readable)
        stringio_raise(mrb, "IOError", "not opened for reading");
    return io;
}

struct stringio *stringio_writable(mrb_state *mrb, mrb_value self)
{
    struct stringio *io = stringio_of(mrb, self);

    if (!io->writable)
        stringio_raise(mrb, "IOError", "not opened for writing");
    return io;
}

mrb_value stringio_string(mrb_state *mrb, mrb_value self)
{
    return mrb_iv_get(mrb, self, mrb_intern_lit(mrb, "string"));
}

mrb_int stringio_left(mrb_state *mrb, mrb_value self)
{
    mrb_int length = RSTRING_LEN(stringio_string(mrb, self));
    mrb_int position = stringio_of(mrb, self)->position;

    return position < length ? length - position : 0;
}

mrb_value stringio_take(mrb_state *mrb, mrb_value self, mrb_int length)
{
    struct stringio *io = stringio_of(mrb, self);
    mrb_int left = stringio_left(mrb, self);

    if (length > left)
        length = left;
    if (length <= 0)
        return mrb_str_new(mrb, NULL, 0);

    mrb_value part = mrb_str_new(mrb, RSTRING_PTR(stringio_string(mrb, self)) + io->position, length);
    io->position += length;
    return part;
}

mrb_int stringio_character(const char *text, mrb_int length)
{
    unsigned char first = (unsigned char)text[0];
    mrb_int size = first < 0xc2 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 1;

    if (size > length)
        return 1;
    for (mrb_int i = 1; i < size; i++)
        if (((unsigned char)text[i] & 0xc0) != 0x80)
            return 1;
    return size;
}

struct mode {
    bool read, write, append, truncate;
};

static struct mode mode_of_flags(mrb_int flags)
{
    mrb_int access = flags & MRB_O_ACCMODE;

    return (struct mode){ .read = access != MRB_O_WRONLY,
                          .write = access != MRB_O_RDONLY,
                          .append = (flags & MRB_O_APPEND) != 0,
                          .truncate = (flags & MRB_O_TRUNC) != 0 };
}

static struct mode mode_of_text(mrb_state *mrb, mrb_value text)
{
    const char *mode = RSTRING_CSTR(mrb, text);
    bool plus = false;

    for (const char *at = mode; *at != '\0' && *at != ':'; at++)
        plus = plus || *at == '+';
    size_t known = strspn(mode, "rwa+bt");
    if ((mode[known] != '\0' && mode[known] != ':') || strchr("rwa", mode[0]) == NULL || mode[0] == '\0')
        mrb_raisef(mrb, E_ARGUMENT_ERROR, "invalid access mode %v", text);
    return (struct mode){ .read = mode[0] == 'r' || plus,
                          .write = mode[0] != 'r' || plus,
                          .append = mode[0] == 'a',
                          .truncate = mode[0] == 'w' };
}

/* As StringIO.new: (string = '', mode = by whether the string is frozen). */
static void stringio_begin(mrb_state *mrb, mrb_value self, mrb_value string, mrb_value mode)
{
    struct stringio *io = stringio_of(mrb, self);
    struct mode opened;

    mrb_ensure_string_type(mrb, string);
    if (mrb_nil_p(mode))
        opened = (struct mode){ .read = true, .write = !mrb_frozen_p(mrb_str_ptr(string)) };
    else if (mrb_string_p(mode))
        opened = mode_of_text(mrb, mode);
    else
        opened = mode_of_flags(mrb_as_int(mrb, mode));
    if (opened.write && mrb_frozen_p(mrb_str_ptr(string))) {
        errno = EACCES;
        mrb_sys_fail(mrb, NULL);
    }
    if (opened.truncate)
        mrb_str_resize(mrb, string, 0);
    mrb_iv_set(mrb, self, mrb_intern_lit(mrb, "string"), string);
    *io = (struct stringio){ .readable = opened.read,
                             .writable = opened.write,
                             .append = opened.append,
                             .opened_readable = opened.read,
                             .opened_writable = opened.write };
}

static mrb_value initialize(mrb_state *mrb, mrb_value self)
{
    mrb_value string = mrb_nil_value(), mode = mrb_nil_value();
    mrb_int given = mrb_get_args(mrb, "|oo", &string, &mode);

    if (DATA_PTR(self) == NULL)
        mrb_data_init(self, mrb_calloc(mrb, 1, sizeof(struct stringio)), &stringio_type);
    stringio_begin(mrb, self, given > 0 ? string : mrb_str_new(mrb, NULL, 0), mode);
    return self;
}

static mrb_value initialize_copy(mrb_state *mrb, mrb_value self)
{
    mrb_value original;

    mrb_get_args(mrb, "o", &original);
    const struct stringio *from = stringio_of(mrb, original);
    struct stringio *io = mrb_malloc(mrb, sizeof *io);
    *io = *from;
    mrb_free(mrb, DATA_PTR(self));
    mrb_data_init(self, io, &stringio_type);
    mrb_iv_set(mrb, self, mrb_intern_lit(mrb, "string"), stringio_string(mrb, original));
    return self;
}

static mrb_value reopen(mrb_state *mrb, mrb_value self)
{
    mrb_value string = mrb_nil_value(), mode = mrb_nil_value();
    mrb_int given = mrb_get_args(mrb, "|oo", &string, &mode);

    if (given == 1 && mrb_data_check_get_ptr(mrb, string, &stringio_type) != NULL) {
        *stringio_of(mrb, self) = *stringio_of(mrb, string);
        mrb_iv_set(mrb, self, mrb_intern_lit(mrb, "string"), stringio_string(mrb, string));
    } else {
        stringio_begin(mrb, self, given > 0 ? string : mrb_str_new(mrb, NULL, 0), mode);
    }
    return self;
}

static mrb_value set_string(mrb_state *mrb, mrb_value self)
{
    mrb_value string;

    mrb_get_args(mrb, "o", &string);
    stringio_begin(mrb, self, string, mrb_nil_value());
    return string;
}

static mrb_value size(mrb_state *mrb, mrb_value self)
{
    stringio_of(mrb, self);
    return mrb_int_value(mrb, RSTRING_LEN(stringio_string(mrb, self)));
}

static mrb_value position(mrb_state *mrb, mrb_value self)
{
    return mrb_int_value(mrb, stringio_of(mrb, self)->position);
}

static mrb_noreturn void invalid(mrb_state *mrb, const char *what)
{
    errno = EINVAL;
    mrb_sys_fail(mrb, what);
}

static mrb_value set_position(mrb_state *mrb, mrb_value self)
{
    mrb_int to;

    mrb_get_args(mrb, "i", &to);
    if (to < 0)
        invalid(mrb, NULL);
    stringio_of(mrb, self)->position = to;
    return mrb_int_value(mrb, to);
}

static mrb_value rewind_io(mrb_state *mrb, mrb_value self)
{
    struct stringio *io = stringio_of(mrb, self);

    io->position = io->line_number = 0;
    return mrb_fixnum_value(0);
}

static mrb_value seek(mrb_state *mrb, mrb_value self)
{
    struct stringio *io = stringio_of(mrb, self);
    mrb_int to, whence = 0, from = 0;

    mrb_get_args(mrb, "i|i", &to, &whence);
    if (!io->readable && !io->writable)
        stringio_raise(mrb, "IOError", "closed stream");
    if (whence == 1)
        from = io->position;
    else if (whence == 2)
        from = RSTRING_LEN(stringio_string(mrb, self));
    else if (whence != 0)
        invalid(mrb, "invalid whence");
    if (to > MRB_INT_MAX - from || from + to < 0)
        invalid(mrb, NULL);
    io->position = from + to;
    return mrb_fixnum_value(0);
}

static mrb_value line_number(mrb_state *mrb, mrb_value self)
{
    return mrb_int_value(mrb, stringio_of(mrb, self)->line_number);
}

static mrb_value set_line_number(mrb_state *mrb, mrb_value self)
{
    mrb_int number;

    mrb_get_args(mrb, "i", &number);
    stringio_of(mrb, self)->line_number = number;
    return mrb_int_value(mrb, number);
}

static mrb_value close_io(mrb_state *mrb, mrb_value self)
{
    struct stringio *io = stringio_of(mrb, self);

    io->readable = io->writable = false;
    return mrb_nil_value();
}

static mrb_value close_read(mrb_state *mrb, mrb_value self)
{
    struct stringio *io = stringio_of(mrb, self);

    if (!io->opened_readable)
        stringio_raise(mrb, "IOError", "closing non-duplex IO for reading");
    io->readable = false;
    return mrb_nil_value();
}

static mrb_value close_write(mrb_state *mrb, mrb_value self)
{
    struct stringio *io = stringio_of(mrb, self);

    if (!io->opened_writable)
        stringio_raise(mrb, "IOError", "closing non-duplex IO for writing");
    io->writable = false;
    return mrb_nil_value();
}

static mrb_value is_closed(mrb_state *mrb, mrb_value self)
{
    const struct stringio *io = stringio_of(mrb, self);

    return mrb_bool_value(!io->readable && !io->writable);
}

static mrb_value is_closed_read(mrb_state *mrb, mrb_value self)
{
    return mrb_bool_value(!stringio_of(mrb, self)->readable);
}

static mrb_value is_closed_write(mrb_state *mrb, mrb_value self)
{
    return mrb_bool_value(!stringio_of(mrb, self)->writable);
}

void mrb_mruby_stringio_gem_init(mrb_state *mrb)
{
    struct RClass *class = mrb_define_class(mrb, "StringIO", mrb->object_class);

    MRB_SET_INSTANCE_TT(class, MRB_TT_CDATA);
    mrb_define_method(mrb, class, "initialize", initialize, MRB_ARGS_OPT(2));
    mrb_define_method(mrb, class, "initialize_copy", initialize_copy, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "reopen", reopen, MRB_ARGS_OPT(2));
    mrb_define_method(mrb, class, "string", stringio_string, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "string=", set_string, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "size", size, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "length", size, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "pos", position, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "tell", position, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "pos=", set_position, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "rewind", rewind_io, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "seek", seek, MRB_ARGS_ARG(1, 1));
    mrb_define_method(mrb, class, "lineno", line_number, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "lineno=", set_line_number, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "close", close_io, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "close_read", close_read, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "close_write", close_write, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "closed?", is_closed, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "closed_read?", is_closed_read, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "closed_write?", is_closed_write, MRB_ARGS_NONE());
    stringio_define_reading(mrb, class);
    stringio_define_writing(mrb, class);
}

void mrb_mruby_stringio_gem_final(mrb_state *mrb)
{
    (void)mrb;
}
