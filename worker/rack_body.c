#include "rack_body.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mruby/array.h>
#include <mruby/string.h>

#include "heap.h"
#include "malloc_limit.h"
#include "rack_failure.h"
#include "rack_sendfile.h"
#include "rack_stream.h"

#define FILE_CHUNK_SIZE 65536

/* Spelled out, as the status line: printf would take a fortieth of a small request's instructions. */
static void append_length(struct strbuf *head, int64_t length)
{
    char digits[20];
    size_t first = sizeof digits;

    do
        digits[--first] = (char)('0' + length % 10);
    while ((length /= 10) > 0);
    strbuf_puts(head, "Content-Length: ");
    strbuf_append(head, digits + first, sizeof digits - first);
    strbuf_puts(head, "\r\n");
}

static void set_length(struct rack_exchange *exchange, int64_t length)
{
    if (exchange->has_length || exchange->status == 204 || exchange->status == 304)
        return;
    append_length(&exchange->head, length);
    exchange->has_length = true;
    exchange->length = length;
}

static void write_bytes(mrb_state *mrb, struct rack_exchange *exchange, const char *bytes, size_t length)
{
    if (request_write(exchange->request, bytes, length) == -1)
        rack_failure_raise(mrb, errno);
}

static void write_head(mrb_state *mrb, struct rack_exchange *exchange)
{
    if (exchange->head_written)
        return;
    exchange->head_written = true;
    exchange->request->status = exchange->status;
    strbuf_append(&exchange->head, "\r\n", 2);
    write_bytes(mrb, exchange, exchange->head.data, exchange->head.length);
}

void rack_body_write(mrb_state *mrb, struct rack_exchange *exchange, const char *bytes, size_t length)
{
    write_head(mrb, exchange);
    if (exchange->bodiless || length == 0)
        return;
    write_bytes(mrb, exchange, bytes, length);
    exchange->request->body_sent += length;
}

void rack_body_flush(mrb_state *mrb, struct rack_exchange *exchange)
{
    write_head(mrb, exchange);
    malloc_limit_piece_passed(heap_of(mrb), mrb);
    if (request_flush(exchange->request) == -1)
        rack_failure_raise(mrb, errno);
}

static mrb_value check_chunk(mrb_state *mrb, mrb_value chunk)
{
    if (!mrb_string_p(chunk))
        rack_response_error(mrb, "the body must consist of Strings, not %Y", chunk);
    return chunk;
}

/* An empty body of HEAD says nothing about the length that GET has. */
static void send_array(mrb_state *mrb, struct rack_exchange *exchange, mrb_value body)
{
    const mrb_value *chunks = RARRAY_PTR(body);
    mrb_int count = RARRAY_LEN(body);
    int64_t length = 0;

    for (mrb_int i = 0; i < count; i++)
        length += RSTRING_LEN(check_chunk(mrb, chunks[i]));
    if (count > 0 || !exchange->bodiless)
        set_length(exchange, length);
    write_head(mrb, exchange);
    for (mrb_int i = 0; i < count; i++)
        rack_body_write(mrb, exchange, RSTRING_PTR(chunks[i]), (size_t)RSTRING_LEN(chunks[i]));
}

static void open_file(mrb_state *mrb, struct rack_exchange *exchange, const char *path)
{
    struct stat status;

    exchange->file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (exchange->file == -1 || fstat(exchange->file, &status) == -1)
        rack_response_error(mrb, "the body's file %s can't be opened: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        rack_response_error(mrb, "the body's file %s is no regular file", path);
    set_length(exchange, status.st_size);
}

static void send_file(mrb_state *mrb, struct rack_exchange *exchange, const char *path)
{
    char chunk[FILE_CHUNK_SIZE];

    if (rack_sendfile_offer(exchange, path)) {
        set_length(exchange, 0);
        write_head(mrb, exchange);
        return;
    }
    open_file(mrb, exchange, path);
    write_head(mrb, exchange);
    for (int64_t left = exchange->bodiless ? 0 : exchange->length; left > 0;) {
        ssize_t count = read(exchange->file, chunk, left < FILE_CHUNK_SIZE ? (size_t)left : sizeof chunk);
        if (count == -1 && errno == EINTR)
            continue;
        if (count <= 0)
            rack_response_error(mrb, "the body's file %s is shorter than announced", path);
        rack_body_write(mrb, exchange, chunk, (size_t)count);
        left -= count;
    }
}

/* The block that is given to the body's `each`. */
static mrb_value take_chunk(mrb_state *mrb, mrb_value self)
{
    struct rack_exchange *exchange = rack_block_exchange(mrb);
    mrb_value chunk = check_chunk(mrb, mrb_get_arg1(mrb));

    (void)self;
    if (RSTRING_LEN(chunk) == 0)
        return mrb_nil_value();
    rack_body_write(mrb, exchange, RSTRING_PTR(chunk), (size_t)RSTRING_LEN(chunk));
    rack_body_flush(mrb, exchange);
    return mrb_nil_value();
}

static void send_each(mrb_state *mrb, struct rack_exchange *exchange)
{
    if (!exchange->bodiless) {
        rack_each(mrb, exchange->body, take_chunk);
        if (!exchange->head_written)
            set_length(exchange, 0);
    }
    write_head(mrb, exchange);
}

static void send_call(mrb_state *mrb, struct rack_exchange *exchange)
{
    if (exchange->bodiless) {
        write_head(mrb, exchange);
        return;
    }
    rack_body_flush(mrb, exchange);
    mrb_funcall_id(mrb, exchange->body, exchange->rack->symbols.call, 1, rack_stream_new(mrb, exchange->rack));
}

void rack_body_send(mrb_state *mrb, struct rack_exchange *exchange)
{
    const struct rack *rack = exchange->rack;
    mrb_value body = exchange->body;

    if (mrb_array_p(body)) {
        send_array(mrb, exchange, body);
        return;
    }

    mrb_value path = mrb_nil_value(); /* to_path may say nil: each or call it is, then */
    if (rack_responds(mrb, body, rack->symbols.to_path))
        path = mrb_funcall_id(mrb, body, rack->symbols.to_path, 0);
    if (!mrb_nil_p(path)) {
        send_file(mrb, exchange, mrb_string_cstr(mrb, mrb_ensure_string_type(mrb, path)));
    } else if (rack_responds(mrb, body, rack->symbols.to_ary)) {
        mrb_value array = mrb_funcall_id(mrb, body, rack->symbols.to_ary, 0);
        if (!mrb_array_p(array))
            rack_response_error(mrb, "the body's to_ary must return an Array, not %Y", array);
        send_array(mrb, exchange, array);
    } else if (rack_responds(mrb, body, rack->symbols.each)) {
        send_each(mrb, exchange);
    } else if (rack_responds(mrb, body, rack->symbols.call)) {
        send_call(mrb, exchange);
    } else {
        rack_response_error(mrb, "the body must respond to each or call, not be %Y", body);
    }
}
