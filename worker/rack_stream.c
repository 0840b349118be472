#include "rack_stream.h"

#include <mruby/class.h>
#include <mruby/data.h>
#include <mruby/error.h>
#include <mruby/string.h>

#include "rack_body.h"
#include "rack_input.h"

struct stream {
    uint64_t serial;
    bool closed; /* for writing */
};

static void stream_free(mrb_state *mrb, void *data)
{
    mrb_free(mrb, data);
}

static const struct mrb_data_type stream_type = { "Cowherd::Stream", stream_free };

mrb_value rack_stream_new(mrb_state *mrb, const struct rack *rack)
{
    struct RData *object = mrb_data_object_alloc(mrb, rack->stream_class, NULL, &stream_type);
    struct stream *stream = mrb_malloc(mrb, sizeof *stream);

    *stream = (struct stream){ .serial = rack->serial };
    object->data = stream;
    return mrb_obj_value(object);
}

static struct stream *stream_of(mrb_state *mrb, mrb_value self)
{
    struct stream *stream = mrb_data_get_ptr(mrb, self, &stream_type);

    if (stream == NULL)
        mrb_raise(mrb, E_TYPE_ERROR, "uninitialized stream");
    return stream;
}

static struct rack_exchange *writable(mrb_state *mrb, mrb_value self)
{
    const struct stream *stream = stream_of(mrb, self);

    if (stream->closed)
        mrb_raise(mrb, mrb_class_get(mrb, "IOError"), "not opened for writing");
    return rack_exchange_of(mrb, stream->serial);
}

static mrb_int write_one(mrb_state *mrb, struct rack_exchange *exchange, mrb_value text)
{
    text = mrb_obj_as_string(mrb, text);
    rack_body_write(mrb, exchange, RSTRING_PTR(text), (size_t)RSTRING_LEN(text));
    return RSTRING_LEN(text);
}

static mrb_value stream_write(mrb_state *mrb, mrb_value self)
{
    struct rack_exchange *exchange = writable(mrb, self);
    const mrb_value *texts;
    mrb_int count, written = 0;

    mrb_get_args(mrb, "*", &texts, &count);
    for (mrb_int i = 0; i < count; i++)
        written += write_one(mrb, exchange, texts[i]);
    rack_body_flush(mrb, exchange);
    return mrb_int_value(mrb, written);
}

static mrb_value stream_append(mrb_state *mrb, mrb_value self)
{
    struct rack_exchange *exchange = writable(mrb, self);

    write_one(mrb, exchange, mrb_get_arg1(mrb));
    rack_body_flush(mrb, exchange);
    return self;
}

static mrb_value stream_flush(mrb_state *mrb, mrb_value self)
{
    rack_body_flush(mrb, writable(mrb, self));
    return self;
}

static mrb_value stream_read(mrb_state *mrb, mrb_value self)
{
    return rack_input_read(mrb, rack_exchange_of(mrb, stream_of(mrb, self)->serial)->input);
}

static mrb_value stream_close_read(mrb_state *mrb, mrb_value self)
{
    return rack_input_close(mrb, rack_exchange_of(mrb, stream_of(mrb, self)->serial)->input);
}

static mrb_value stream_close(mrb_state *mrb, mrb_value self)
{
    stream_of(mrb, self)->closed = true;
    return mrb_nil_value();
}

static mrb_value stream_closed_p(mrb_state *mrb, mrb_value self)
{
    return mrb_bool_value(stream_of(mrb, self)->closed);
}

void rack_stream_define(mrb_state *mrb, struct rack *rack)
{
    struct RClass *class = mrb_define_class_under(mrb, mrb_module_get(mrb, "Cowherd"), "Stream", mrb->object_class);

    MRB_SET_INSTANCE_TT(class, MRB_TT_CDATA);
    mrb_undef_class_method(mrb, class, "new");
    mrb_define_method(mrb, class, "write", stream_write, MRB_ARGS_ANY());
    mrb_define_method(mrb, class, "<<", stream_append, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, class, "flush", stream_flush, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "read", stream_read, MRB_ARGS_OPT(2));
    mrb_define_method(mrb, class, "close", stream_close, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "close_read", stream_close_read, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "close_write", stream_close, MRB_ARGS_NONE());
    mrb_define_method(mrb, class, "closed?", stream_closed_p, MRB_ARGS_NONE());
    mrb_gc_register(mrb, mrb_obj_value(class));
    rack->stream_class = class;
}
