#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include "stringio.h"

#include <string.h>

#include <mruby/class.h>
#include <mruby/error.h>
#include <mruby/string.h>
#include <mruby/variable.h>

static mrb_int length_of(mrb_state *mrb, mrb_value length)
{
    mrb_int number = mrb_as_int(mrb, length);

    if (number < 0)
        mrb_raisef(mrb, E_ARGUMENT_ERROR, "negative length %i given", number);
    return number;
}

static mrb_value into(mrb_state *mrb, mrb_value buffer, mrb_value part)
{
    if (mrb_nil_p(buffer))
        return part;
    mrb_str_resize(mrb, buffer, 0);
    return mrb_str_cat_str(mrb, buffer, part);
}

/* (length = nil, buffer = nil); with a length, nil at the end. */
static mrb_value read_io(mrb_state *mrb, mrb_value self)
{
    mrb_value length = mrb_nil_value(), buffer = mrb_nil_value();

    mrb_get_args(mrb, "|oo", &length, &buffer);
    if (!mrb_nil_p(buffer))
        mrb_ensure_string_type(mrb, buffer);
    mrb_int wanted = mrb_nil_p(length) ? MRB_INT_MAX : length_of(mrb, length);
    stringio_readable(mrb, self);
    bool at_end = stringio_left(mrb, self) == 0;
    mrb_value part = into(mrb, buffer, stringio_take(mrb, self, wanted));
    return at_end && !mrb_nil_p(length) && wanted > 0 ? mrb_nil_value() : part;
}

/* (length, offset), wherever the position is. */
static mrb_value pread(mrb_state *mrb, mrb_value self)
{
    mrb_int length, offset;

    mrb_get_args(mrb, "ii", &length, &offset);
    if (length < 0)
        mrb_raisef(mrb, E_ARGUMENT_ERROR, "negative string size (or size too big): %i", length);
    if (offset < 0)
        mrb_raisef(mrb, E_ARGUMENT_ERROR, "pread: Invalid offset argument: %i", offset);
    stringio_readable(mrb, self);
    mrb_value string = stringio_string(mrb, self);
    if (length == 0)
        return mrb_str_new(mrb, NULL, 0);
    if (offset >= RSTRING_LEN(string))
        stringio_raise(mrb, "EOFError", "end of file reached");
    mrb_int left = RSTRING_LEN(string) - offset;
    return mrb_str_new(mrb, RSTRING_PTR(string) + offset, length < left ? length : left);
}

static mrb_value is_at_end(mrb_state *mrb, mrb_value self)
{
    stringio_readable(mrb, self);
    return mrb_bool_value(stringio_left(mrb, self) == 0);
}

static mrb_value get_byte(mrb_state *mrb, mrb_value self)
{
    struct stringio *io = stringio_readable(mrb, self);

    if (stringio_left(mrb, self) == 0)
        return mrb_nil_value();
    return mrb_fixnum_value((unsigned char)RSTRING_PTR(stringio_string(mrb, self))[io->position++]);
}

static mrb_value get_character(mrb_state *mrb, mrb_value self)
{
    struct stringio *io = stringio_readable(mrb, self);
    mrb_int left = stringio_left(mrb, self);

    if (left == 0)
        return mrb_nil_value();
    const char *at = RSTRING_PTR(stringio_string(mrb, self)) + io->position;
    return stringio_take(mrb, self, stringio_character(at, left));
}

/* Puts bytes before the position, over those that were there. */
static void unget(mrb_state *mrb, mrb_value self, const char *bytes, mrb_int length)
{
    struct stringio *io = stringio_readable(mrb, self);
    mrb_value string = stringio_string(mrb, self);
    mrb_int size = RSTRING_LEN(string);
    mrb_int missing = length > io->position ? length - io->position : 0;

    if (length == 0)
        return;
    if (io->position > size) {
        mrb_str_resize(mrb, string, io->position);
        memset(RSTRING_PTR(string) + size, 0, (size_t)(io->position - size));
        size = io->position;
    }
    if (missing > 0) {
        mrb_str_resize(mrb, string, size + missing);
        memmove(RSTRING_PTR(string) + missing, RSTRING_PTR(string), (size_t)size);
    }
    mrb_str_modify(mrb, mrb_str_ptr(string));
    io->position += missing - length;
    memcpy(RSTRING_PTR(string) + io->position, bytes, (size_t)length);
}

/* `bytes`: an Integer is a byte, else it is a character. */
static mrb_value unget_either(mrb_state *mrb, mrb_value self, bool bytes)
{
    mrb_value what;

    mrb_get_args(mrb, "o", &what);
    stringio_readable(mrb, self);
    if (mrb_nil_p(what))
        return what;
    if (mrb_integer_p(what) && bytes) {
        char byte = (char)(mrb_integer(what) & 0xff);
        unget(mrb, self, &byte, 1);
        return mrb_nil_value();
    }
    if (mrb_integer_p(what))
        what = mrb_funcall(mrb, what, "chr", 1, mrb_str_new_lit(mrb, "UTF-8"));
    mrb_ensure_string_type(mrb, what);
    what = mrb_str_dup(mrb, what); /* it may be the very one behind this */
    unget(mrb, self, RSTRING_PTR(what), RSTRING_LEN(what));
    return mrb_nil_value();
}

static mrb_value unget_character(mrb_state *mrb, mrb_value self)
{
    return unget_either(mrb, self, false);
}

static mrb_value unget_byte(mrb_state *mrb, mrb_value self)
{
    return unget_either(mrb, self, true);
}

/* How a line ends. */
struct line {
    mrb_value separator; /* nil: nowhere */
    mrb_int limit;       /* -1: none */
    bool paragraphs, chomp;
};

/* (separator = "\n", limit = nil, chomp: false), or (limit) */
static struct line line_arguments(mrb_state *mrb)
{
    mrb_value first = mrb_nil_value(), second = mrb_nil_value(), chomp = mrb_undef_value();
    mrb_sym names[] = { mrb_intern_lit(mrb, "chomp") };
    mrb_kwargs keywords = { .num = 1, .table = names, .values = &chomp };
    mrb_int given = mrb_get_args(mrb, "|oo:", &first, &second, &keywords);
    struct line line = { .limit = -1, .chomp = !mrb_undef_p(chomp) && mrb_test(chomp) };

    if (given == 0) {
        line.separator = mrb_str_new_lit(mrb, "\n");
    } else if (given == 1 && !mrb_nil_p(first) && !mrb_string_p(first)) {
        line.separator = mrb_str_new_lit(mrb, "\n");
        line.limit = mrb_as_int(mrb, first);
    } else {
        line.separator = first;
        if (!mrb_nil_p(first))
            mrb_ensure_string_type(mrb, first);
        if (!mrb_nil_p(second))
            line.limit = mrb_as_int(mrb, second);
    }
    if (!mrb_nil_p(line.separator) && RSTRING_LEN(line.separator) == 0) {
        line.paragraphs = true;
        line.separator = mrb_str_new_lit(mrb, "\n\n");
    }
    return line;
}

static mrb_int without_separator(const struct line *line, const char *text, mrb_int length)
{
    mrb_int size = mrb_nil_p(line->separator) ? 0 : RSTRING_LEN(line->separator);

    if (size == 0 || length < size || memcmp(text + length - size, RSTRING_PTR(line->separator), (size_t)size) != 0)
        return length;
    length -= line->paragraphs ? 1 : size;
    if (size == 1 && RSTRING_PTR(line->separator)[0] == '\n' && length > 0 && text[length - 1] == '\r')
        length--;
    return length;
}

/* nil at the end. */
static mrb_value next_line(mrb_state *mrb, mrb_value self, const struct line *line)
{
    struct stringio *io = stringio_readable(mrb, self);
    mrb_value string = stringio_string(mrb, self);

    if (line->limit == 0)
        return mrb_str_new(mrb, NULL, 0);
    while (line->paragraphs && stringio_left(mrb, self) > 0 && RSTRING_PTR(string)[io->position] == '\n')
        io->position++;
    mrb_int left = stringio_left(mrb, self);
    if (left == 0)
        return mrb_nil_value();

    const char *start = RSTRING_PTR(string) + io->position;
    mrb_int length = left;
    if (!mrb_nil_p(line->separator)) {
        const char *found =
            memmem(start, (size_t)left, RSTRING_PTR(line->separator), (size_t)RSTRING_LEN(line->separator));
        if (found != NULL)
            length = (mrb_int)(found - start) + RSTRING_LEN(line->separator);
    }
    if (line->limit > 0 && length > line->limit) {
        length = 0;
        while (length < line->limit)
            length += stringio_character(start + length, left - length);
    }
    mrb_int kept = line->chomp ? without_separator(line, start, length) : length;
    mrb_value text = mrb_str_new(mrb, start, kept);
    io->position += length;
    io->line_number++;
    while (line->paragraphs && stringio_left(mrb, self) > 0 && RSTRING_PTR(string)[io->position] == '\n')
        io->position++;
    return text;
}

static mrb_value gets_io(mrb_state *mrb, mrb_value self)
{
    struct line line = line_arguments(mrb);

    return next_line(mrb, self, &line);
}

static mrb_value readline_io(mrb_state *mrb, mrb_value self)
{
    struct line line = line_arguments(mrb);
    mrb_value text = next_line(mrb, self, &line);

    if (mrb_nil_p(text))
        stringio_raise(mrb, "EOFError", "end of file reached");
    return text;
}

void stringio_define_reading(mrb_state *mrb, struct RClass *class)
{
    mrb_define_method(mrb, class, "read", read_io, MRB_ARGS_OPT(2));
    mrb_define_method(mrb, class, "pread", pread, MRB_ARGS_REQ(2));
    mrb_define_method(mrb, class, "eof?", is_at_end, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "eof", is_at_end, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "getbyte", get_byte, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "getc", get_character, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "ungetc", unget_character, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "ungetbyte", unget_byte, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "gets", gets_io, MRB_ARGS_OPT(2) | MRB_ARGS_KEY(1, 0));
    mrb_define_method(mrb, class, "readline", readline_io, MRB_ARGS_OPT(2) | MRB_ARGS_KEY(1, 0));
}
