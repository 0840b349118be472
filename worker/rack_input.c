#include "rack_input.h"

#include <errno.h>
#include <string.h>

#include <mruby/class.h>
#include <mruby/data.h>
#include <mruby/error.h>
#include <mruby/string.h>

#include "heap.h"
#include "malloc_limit.h"
#include "rack_failure.h"

#define LINE_BUFFER_SIZE 8192
#define FIRST_READ_SIZE 16384

struct input {
    uint64_t serial;
    bool closed;
    bool ended;
    size_t start, end; /* of what `gets` has read ahead in `buffer` */
    char *buffer;      /* NULL until gets needs it */
};

static void input_free(mrb_state *mrb, void *data)
{
    struct input *input = data;

    if (input != NULL)
        mrb_free(mrb, input->buffer);
    mrb_free(mrb, input);
}

static const struct mrb_data_type input_type = { "Cowherd::Input", input_free };

mrb_value rack_input_new(mrb_state *mrb, const struct rack *rack)
{
    struct RData *object = mrb_data_object_alloc(mrb, rack->input_class, NULL, &input_type);
    struct input *input = mrb_malloc(mrb, sizeof *input);

    *input = (struct input){ .serial = rack->serial };
    object->data = input;
    return mrb_obj_value(object);
}

static struct input *open_input(mrb_state *mrb, mrb_value self)
{
    struct input *input = mrb_data_get_ptr(mrb, self, &input_type);

    if (input == NULL || input->closed)
        mrb_raise(mrb, mrb_class_get(mrb, "IOError"), "rack.input is closed");
    return input;
}

/* Up to `length` bytes, first those that gets has read ahead. 0 at the end. */
static size_t take(mrb_state *mrb, struct input *input, char *bytes, size_t length)
{
    size_t ahead = input->end - input->start;

    if (ahead > 0) {
        if (length > ahead)
            length = ahead;
        memcpy(bytes, input->buffer + input->start, length);
        input->start += length;
        return length;
    }
    if (input->ended)
        return 0;

    struct request *request = rack_exchange_of(mrb, input->serial)->request;
    ssize_t count = request_read(request, bytes, length);
    if (count == -1) {
        int error = errno;
        if (error == ECONNRESET)
            request->client_gone = true;
        rack_failure_raise(mrb, error);
    }
    input->ended = count == 0;
    return (size_t)count;
}

/* Fills `string` (empty) with up to `limit` bytes. It grows as the bytes come: a length that was asked for, or that a
   client has announced, costs no memory by itself. */
static void read_into(mrb_state *mrb, struct input *input, mrb_value string, size_t limit)
{
    size_t got = 0;
    size_t room = 0;

    while (got < limit) {
        if (got == room) {
            size_t step = room > 0 ? room : FIRST_READ_SIZE;
            room += step < limit - room ? step : limit - room;
            mrb_str_resize(mrb, string, (mrb_int)room);
        }

        size_t count = take(mrb, input, RSTRING_PTR(string) + got, room - got);
        if (count == 0)
            break;
        got += count;
    }
    mrb_str_resize(mrb, string, (mrb_int)got);
}

mrb_value rack_input_read(mrb_state *mrb, mrb_value self)
{
    mrb_value length = mrb_nil_value(), buffer = mrb_nil_value();
    size_t limit = MRB_INT_MAX;

    mrb_get_args(mrb, "|oo", &length, &buffer);

    struct input *input = open_input(mrb, self);
    rack_exchange_of(mrb, input->serial);
    if (!mrb_nil_p(length)) {
        mrb_int number = mrb_as_int(mrb, length);
        if (number < 0)
            mrb_raisef(mrb, E_ARGUMENT_ERROR, "negative length %i given", number);
        limit = (size_t)number;
    }
    if (mrb_nil_p(buffer))
        buffer = mrb_str_new(mrb, NULL, 0);
    else
        mrb_ensure_string_type(mrb, buffer);
    mrb_str_resize(mrb, buffer, 0);
    read_into(mrb, input, buffer, limit);
    malloc_limit_piece_passed(heap_of(mrb), mrb);
    if (!mrb_nil_p(length) && limit > 0 && RSTRING_LEN(buffer) == 0)
        return mrb_nil_value();
    return buffer;
}

/* nil at the end. */
static mrb_value next_line(mrb_state *mrb, mrb_value self)
{
    struct input *input = open_input(mrb, self);
    mrb_value line = mrb_str_new(mrb, NULL, 0);

    if (input->buffer == NULL)
        input->buffer = mrb_malloc(mrb, LINE_BUFFER_SIZE);
    for (;;) {
        if (input->start == input->end) {
            size_t count = take(mrb, input, input->buffer, LINE_BUFFER_SIZE);
            malloc_limit_piece_passed(heap_of(mrb), mrb);
            input->start = 0;
            input->end = count;
            if (count == 0)
                return RSTRING_LEN(line) > 0 ? line : mrb_nil_value();
        }

        const char *from = input->buffer + input->start;
        const char *line_break = memchr(from, '\n', input->end - input->start);
        size_t length = line_break != NULL ? (size_t)(line_break - from) + 1 : input->end - input->start;
        mrb_str_cat(mrb, line, from, length);
        input->start += length;
        if (line_break != NULL)
            return line;
    }
}

static mrb_value input_gets(mrb_state *mrb, mrb_value self)
{
    rack_exchange_of(mrb, open_input(mrb, self)->serial);
    return next_line(mrb, self);
}

static mrb_value input_each(mrb_state *mrb, mrb_value self)
{
    mrb_value block;
    mrb_value line;

    mrb_get_args(mrb, "&!", &block);
    rack_exchange_of(mrb, open_input(mrb, self)->serial);

    int arena = mrb_gc_arena_save(mrb);
    while (!mrb_nil_p(line = next_line(mrb, self))) {
        mrb_yield(mrb, block, line);
        mrb_gc_arena_restore(mrb, arena);
    }
    return self;
}

mrb_value rack_input_close(mrb_state *mrb, mrb_value self)
{
    struct input *input = mrb_data_get_ptr(mrb, self, &input_type);

    if (input != NULL)
        input->closed = true;
    return mrb_nil_value();
}

/* A copy or an object made by `new` has no body behind it. */
static mrb_value input_refuse_copy(mrb_state *mrb, mrb_value self)
{
    mrb_raise(mrb, E_TYPE_ERROR, "rack.input cannot be copied");
    return self;
}

void rack_input_define(mrb_state *mrb, struct rack *rack)
{
    struct RClass *class = mrb_define_class_under(mrb, mrb_module_get(mrb, "Cowherd"), "Input", mrb->object_class);

    MRB_SET_INSTANCE_TT(class, MRB_TT_CDATA);
    mrb_undef_class_method(mrb, class, "new");
    mrb_define_method(mrb, class, "initialize_copy", input_refuse_copy, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "read", rack_input_read, MRB_ARGS_OPT(2));
    mrb_define_method(mrb, class, "gets", input_gets, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "each", input_each, MRB_ARGS_BLOCK());
    mrb_define_method(mrb, class, "close", rack_input_close, MRB_ARGS_NONE());
    mrb_gc_register(mrb, mrb_obj_value(class));
    rack->input_class = class;
}
