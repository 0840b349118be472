#include "stringio.h"

#include <errno.h>
#include <string.h>

#include <mruby/class.h>
#include <mruby/error.h>
#include <mruby/string.h>
#include <mruby/variable.h>

/* Grows the string to `size` bytes, with NULs. */
static void grow(mrb_state *mrb, mrb_value string, mrb_int size)
{
    mrb_int old = RSTRING_LEN(string);

    mrb_str_resize(mrb, string, size);
    memset(RSTRING_PTR(string) + old, 0, (size_t)(size - old));
}

static mrb_int write_string(mrb_state *mrb, mrb_value self, mrb_value text)
{
    text = mrb_obj_as_string(mrb, text);

    struct stringio *io = stringio_writable(mrb, self); /* to_s may have closed it */
    mrb_value string = stringio_string(mrb, self);
    mrb_int length = RSTRING_LEN(text);

    if (length == 0)
        return 0;
    if (mrb_frozen_p(mrb_str_ptr(string)))
        stringio_raise(mrb, "IOError", "not modifiable string");
    if (io->append)
        io->position = RSTRING_LEN(string);
    if (io->position > MRB_INT_MAX - length)
        stringio_raise(mrb, "ArgumentError", "string size too big");
    if (io->position > RSTRING_LEN(string))
        grow(mrb, string, io->position);
    if (mrb_obj_equal(mrb, text, string))
        text = mrb_str_dup(mrb, text);
    if (io->position == RSTRING_LEN(string)) {
        mrb_str_cat_str(mrb, string, text); /* grows by more than it needs, so that many short writes stay cheap */
    } else {
        if (io->position + length > RSTRING_LEN(string))
            mrb_str_resize(mrb, string, io->position + length);
        mrb_str_modify(mrb, mrb_str_ptr(string));
        memcpy(RSTRING_PTR(string) + io->position, RSTRING_PTR(text), (size_t)length);
    }
    io->position += length;
    return length;
}

static mrb_value write_io(mrb_state *mrb, mrb_value self)
{
    const mrb_value *texts;
    mrb_int count, written = 0;

    mrb_get_args(mrb, "*!", &texts, &count);
    stringio_writable(mrb, self);
    for (mrb_int i = 0; i < count; i++)
        written += write_string(mrb, self, texts[i]);
    return mrb_int_value(mrb, written);
}

static mrb_value append(mrb_state *mrb, mrb_value self)
{
    mrb_value text;

    mrb_get_args(mrb, "o", &text);
    stringio_writable(mrb, self);
    write_string(mrb, self, text);
    return self;
}

/* An Integer is a byte, of a String its first character is written. */
static mrb_value put_character(mrb_state *mrb, mrb_value self)
{
    mrb_value what;

    mrb_get_args(mrb, "o", &what);
    stringio_writable(mrb, self);
    if (mrb_string_p(what)) {
        mrb_int length = RSTRING_LEN(what);
        if (length > 0)
            length = stringio_character(RSTRING_PTR(what), length);
        write_string(mrb, self, mrb_str_new(mrb, RSTRING_PTR(what), length));
    } else {
        char byte = (char)(mrb_as_int(mrb, what) & 0xff);
        write_string(mrb, self, mrb_str_new(mrb, &byte, 1));
    }
    return what;
}

static mrb_value truncate_io(mrb_state *mrb, mrb_value self)
{
    mrb_int length;

    mrb_get_args(mrb, "i", &length);
    stringio_writable(mrb, self);
    if (length < 0) {
        errno = EINVAL;
        mrb_sys_fail(mrb, "negative length");
    }
    mrb_value string = stringio_string(mrb, self);
    if (length > RSTRING_LEN(string))
        grow(mrb, string, length);
    else
        mrb_str_resize(mrb, string, length);
    return mrb_fixnum_value(0);
}

void stringio_define_writing(mrb_state *mrb, struct RClass *class)
{
    mrb_define_method(mrb, class, "write", write_io, MRB_ARGS_ANY());
    mrb_define_method(mrb, class, "<<", append, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "putc", put_character, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "truncate", truncate_io, MRB_ARGS_REQ(1));
}
