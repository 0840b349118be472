/* The text that is being generated: bytes of a Ruby String, so that an exception leaves nothing behind. */
#ifndef MRUBY_JSON_JSON_BUFFER_H
#define MRUBY_JSON_JSON_BUFFER_H

#include <string.h>

#include <mruby.h>

struct json_buffer {
    mrb_state *mrb;
    mrb_value string;
    char *bytes;
    mrb_int length, capacity;
};

void json_buffer_init(struct json_buffer *buffer, mrb_state *mrb);
/* Makes room for `more` bytes. */
void json_buffer_grow(struct json_buffer *buffer, mrb_int more);
mrb_value json_buffer_finish(struct json_buffer *buffer);

static inline void json_buffer_put(struct json_buffer *buffer, const char *bytes, mrb_int length)
{
    if (length > buffer->capacity - buffer->length)
        json_buffer_grow(buffer, length);
    memcpy(buffer->bytes + buffer->length, bytes, (size_t)length);
    buffer->length += length;
}

static inline void json_buffer_put_byte(struct json_buffer *buffer, char byte)
{
    if (buffer->length == buffer->capacity)
        json_buffer_grow(buffer, 1);
    buffer->bytes[buffer->length++] = byte;
}

/* In quotes. Raises JSON::GeneratorError for what is no UTF-8. */
void json_buffer_put_string(struct json_buffer *buffer, const char *bytes, mrb_int length, mrb_bool ascii_only,
                            mrb_bool script_safe);
/* As Float#to_s of CRuby: the shortest digits that give the same number. It is finite. */
void json_buffer_put_float(struct json_buffer *buffer, double number);
void json_buffer_put_integer(struct json_buffer *buffer, mrb_int number);

#endif
