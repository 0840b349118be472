/* What the parts of StringIO know of one. */
#ifndef MRUBY_STRINGIO_H
#define MRUBY_STRINGIO_H

#include <stdbool.h>

#include <mruby.h>

struct stringio {
    mrb_int position; /* in bytes; may lie behind the end */
    mrb_int line_number;
    bool readable, writable, append;
    bool opened_readable, opened_writable; /* what it was before it was closed */
};

struct stringio *stringio_of(mrb_state *mrb, mrb_value self);

/* IOError when it was not opened for it. */
struct stringio *stringio_readable(mrb_state *mrb, mrb_value self);
struct stringio *stringio_writable(mrb_state *mrb, mrb_value self);

/* The String behind it. */
mrb_value stringio_string(mrb_state *mrb, mrb_value self);

/* How many bytes follow the position. */
mrb_int stringio_left(mrb_state *mrb, mrb_value self);

/* A part of the String, which begins at the position; the position goes behind it. */
mrb_value stringio_take(mrb_state *mrb, mrb_value self, mrb_int length);

/* The bytes of the character that begins at `text`; 1 for what is no UTF-8. */
mrb_int stringio_character(const char *text, mrb_int length);

mrb_noreturn void stringio_raise(mrb_state *mrb, const char *class, const char *message);

void stringio_define_reading(mrb_state *mrb, struct RClass *class);
void stringio_define_writing(mrb_state *mrb, struct RClass *class);

#endif
