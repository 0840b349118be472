#include "rack_response.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <mruby/array.h>
#include <mruby/hash.h>
#include <mruby/numeric.h>
#include <mruby/string.h>

#include "answer.h"
#include "rack_failure.h"

static int status_number(mrb_state *mrb, mrb_value status)
{
    mrb_int number = -1;

    if (mrb_integer_p(status))
        number = mrb_integer(status);
    else if (mrb_string_p(status) && RSTRING_LEN(status) == 3 && strspn(RSTRING_PTR(status), "0123456789") == 3)
        number = atoi(RSTRING_PTR(status));
    else
        rack_response_error(mrb, "the status must be an Integer, not %Y", status);
    if (number < 100 || number > 999)
        rack_response_error(mrb, "the status must have three digits, not %i", number);
    if (number < 200)
        rack_response_error(mrb, "the status %i can't be the final answer of a request", number);
    return (int)number;
}

/* RFC 9110, 5.6.2: ALPHA, DIGIT and some punctuation. */
static const bool token_bytes[256] = {
    ['!'] = true, ['#' ... '\''] = true, ['*'] = true,         ['+'] = true, ['-'] = true,
    ['.'] = true, ['0' ... '9'] = true,  ['A' ... 'Z'] = true, ['^'] = true, ['_'] = true,
    ['`'] = true, ['a' ... 'z'] = true,  ['|'] = true,         ['~'] = true,
};

static bool is_token(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!token_bytes[(unsigned char)name[i]])
            return false;
    }
    return length > 0;
}

static bool has_control(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)value[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            return true;
    }
    return false;
}

enum header_kind { HEADER_PLAIN, HEADER_WITHHELD, HEADER_CONTENT_LENGTH, HEADER_CONTENT_TYPE };

static enum header_kind header_kind(const char *name, size_t length)
{
    static const struct {
        const char *name;
        enum header_kind kind;
    } known[] = {
        { "content-length", HEADER_CONTENT_LENGTH },
        { "content-type", HEADER_CONTENT_TYPE },
        { "status", HEADER_WITHHELD },
        { "connection", HEADER_WITHHELD },
        { "keep-alive", HEADER_WITHHELD },
        { "proxy-connection", HEADER_WITHHELD },
        { "te", HEADER_WITHHELD },
        { "trailer", HEADER_WITHHELD },
        { "transfer-encoding", HEADER_WITHHELD },
        { "upgrade", HEADER_WITHHELD },
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if ((known[i].name[0] | 0x20) == (name[0] | 0x20) && strncasecmp(known[i].name, name, length) == 0 &&
            known[i].name[length] == '\0')
            return known[i].kind;
    }
    return length >= 5 && strncasecmp(name, "rack.", 5) == 0 ? HEADER_WITHHELD : HEADER_PLAIN;
}

static void take_length(mrb_state *mrb, struct rack_exchange *exchange, const char *value, size_t length)
{
    int64_t number = 0;

    if (exchange->has_length)
        rack_response_error(mrb, "content-length is given twice");
    for (size_t i = 0; i < length; i++) {
        if (value[i] < '0' || value[i] > '9' || number > (INT64_MAX - 9) / 10)
            length = 0;
        else
            number = number * 10 + (value[i] - '0');
    }
    if (length == 0)
        rack_response_error(mrb, "content-length is no number");
    exchange->has_length = true;
    exchange->length = number;
}

/* What an authorizer tells those that come after it. */
#define VARIABLE_PREFIX "Variable-"
#define VARIABLE_PREFIX_LENGTH (sizeof VARIABLE_PREFIX - 1)

static bool is_variable(mrb_value name)
{
    return (size_t)RSTRING_LEN(name) > VARIABLE_PREFIX_LENGTH &&
           strncasecmp(RSTRING_PTR(name), VARIABLE_PREFIX, VARIABLE_PREFIX_LENGTH) == 0;
}

/* In Rack names of headers have no case, but those of variables have: it is the upper one. */
static void put_variable_name(struct strbuf *head, const char *name, size_t length)
{
    strbuf_append(head, VARIABLE_PREFIX, VARIABLE_PREFIX_LENGTH);
    for (size_t i = VARIABLE_PREFIX_LENGTH; i < length; i++) {
        char byte = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
        strbuf_append(head, &byte, 1);
    }
}

static void put_line(mrb_state *mrb, struct rack_exchange *exchange, mrb_value name, enum header_kind kind,
                     const char *value, size_t length)
{
    struct strbuf *head = &exchange->head;

    if (has_control(value, length))
        rack_response_error(mrb, "the value of the header %!v has a control byte or a line break", name);
    if (kind == HEADER_CONTENT_LENGTH)
        take_length(mrb, exchange, value, length);
    exchange->length_at = kind == HEADER_CONTENT_LENGTH ? head->length : exchange->length_at;
    if (exchange->request->role == REQUEST_AUTHORIZER && is_variable(name))
        put_variable_name(head, RSTRING_PTR(name), (size_t)RSTRING_LEN(name));
    else
        strbuf_append(head, RSTRING_PTR(name), (size_t)RSTRING_LEN(name));
    strbuf_append(head, ": ", 2);
    strbuf_append(head, value, length);
    strbuf_append(head, "\r\n", 2);
    if (kind == HEADER_CONTENT_LENGTH)
        exchange->length_size = head->length - exchange->length_at;
}

/* "a\nb" is two values; empty ones between or behind line breaks are none. */
static void put_joined(mrb_state *mrb, struct rack_exchange *exchange, mrb_value name, enum header_kind kind,
                       mrb_value value)
{
    const char *at = RSTRING_PTR(value);
    const char *end = at + RSTRING_LEN(value);
    const char *line_break = memchr(at, '\n', (size_t)(end - at));

    if (line_break == NULL) {
        put_line(mrb, exchange, name, kind, at, (size_t)(end - at));
        return;
    }
    while (at < end) {
        if (line_break == NULL)
            line_break = end;
        if (line_break > at)
            put_line(mrb, exchange, name, kind, at, (size_t)(line_break - at));
        at = line_break + 1;
        line_break = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    }
}

static void put_header(mrb_state *mrb, struct rack_exchange *exchange, mrb_value name, mrb_value value)
{
    if (!mrb_string_p(name))
        rack_response_error(mrb, "the name of a header must be a String, not %Y", name);
    if (!is_token(RSTRING_PTR(name), (size_t)RSTRING_LEN(name)))
        rack_response_error(mrb, "%!v can't be the name of a header", name);

    enum header_kind kind = header_kind(RSTRING_PTR(name), (size_t)RSTRING_LEN(name));
    bool typeless = exchange->status == 204 || exchange->status == 304 || exchange->says_yes;
    if (kind == HEADER_WITHHELD || (kind != HEADER_PLAIN && typeless) || mrb_nil_p(value))
        return;
    if (mrb_integer_p(value))
        value = mrb_integer_to_str(mrb, value, 10);
    if (mrb_string_p(value)) {
        put_joined(mrb, exchange, name, kind, value);
    } else if (mrb_array_p(value)) {
        for (mrb_int i = 0; i < RARRAY_LEN(value); i++) {
            mrb_value one = RARRAY_PTR(value)[i];
            if (!mrb_string_p(one))
                rack_response_error(mrb, "the header %!v has a value that is no String: %Y", name, one);
            put_line(mrb, exchange, name, kind, RSTRING_PTR(one), (size_t)RSTRING_LEN(one));
        }
    } else {
        rack_response_error(mrb, "the value of the header %!v must be a String or an Array of Strings, not %Y", name,
                            value);
    }
}

static int put_hash_entry(mrb_state *mrb, mrb_value name, mrb_value value, void *data)
{
    put_header(mrb, data, name, value);
    return 0;
}

static void put_pair(mrb_state *mrb, struct rack_exchange *exchange, mrb_value pair)
{
    if (!mrb_array_p(pair) || RARRAY_LEN(pair) != 2)
        rack_response_error(mrb, "the headers must be pairs of a name and a value, not %Y", pair);
    put_header(mrb, exchange, RARRAY_PTR(pair)[0], RARRAY_PTR(pair)[1]);
}

/* The block that is given to `each` of headers that are neither Hash nor Array. */
static mrb_value put_yielded(mrb_state *mrb, mrb_value self)
{
    struct rack_exchange *exchange = rack_block_exchange(mrb);
    const mrb_value *values;
    mrb_int count;

    (void)self;
    mrb_get_args(mrb, "*", &values, &count);
    if (exchange->head_written)
        rack_response_error(mrb, "the headers have gone");
    if (count == 2)
        put_header(mrb, exchange, values[0], values[1]);
    else
        put_pair(mrb, exchange, count == 1 ? values[0] : mrb_nil_value());
    return mrb_nil_value();
}

static void put_headers(mrb_state *mrb, struct rack_exchange *exchange)
{
    mrb_value headers = exchange->headers;

    if (mrb_hash_p(headers)) {
        mrb_hash_foreach(mrb, mrb_hash_ptr(headers), put_hash_entry, exchange);
    } else if (mrb_array_p(headers)) {
        for (mrb_int i = 0; i < RARRAY_LEN(headers); i++)
            put_pair(mrb, exchange, RARRAY_PTR(headers)[i]);
    } else if (rack_responds(mrb, headers, exchange->rack->symbols.each)) {
        rack_each(mrb, headers, put_yielded);
    } else {
        rack_response_error(mrb, "the headers must be a Hash, not %Y", headers);
    }
}

static bool has_line(const struct strbuf *head, const char *name, size_t length)
{
    const char *end = head->data + head->length;

    for (const char *line = head->data; line < end; line = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1) {
        if ((size_t)(end - line) > length && strncasecmp(line, name, length) == 0 && line[length] == ':')
            return true;
    }
    return false;
}

static int add_hash_entry(mrb_state *mrb, mrb_value name, mrb_value value, void *data)
{
    const struct rack_exchange *exchange = data;
    const char *text = mrb_string_p(name) ? RSTRING_PTR(name) : "";
    size_t length = mrb_string_p(name) ? (size_t)RSTRING_LEN(name) : 0;
    bool repeats = length == 10 && strncasecmp(text, "set-cookie", length) == 0;

    if (repeats || length == 0 || !has_line(&exchange->head, text, length))
        put_header(mrb, data, name, value);
    return 0;
}

void rack_response_add(mrb_state *mrb, struct rack_exchange *exchange, mrb_value headers)
{
    if (mrb_hash_p(headers))
        mrb_hash_foreach(mrb, mrb_hash_ptr(headers), add_hash_entry, exchange);
}

/* Spelled out: printf would take a twentieth of a small request's time. */
static void put_status(struct strbuf *head, int status)
{
    char digits[] = { (char)('0' + status / 100), (char)('0' + status / 10 % 10), (char)('0' + status % 10), ' ' };

    strbuf_puts(head, "Status: ");
    strbuf_append(head, digits, sizeof digits);
    strbuf_puts(head, answer_reason(status));
    strbuf_puts(head, "\r\n");
}

/* haproxy goes by what comes last, and takes a Location for a 302: the Status has to follow it. */
static void put_status_last(struct rack_exchange *exchange)
{
    struct strbuf *head = &exchange->head;
    size_t length = (size_t)((char *)memchr(head->data, '\n', head->length) - head->data) + 1;

    put_status(head, exchange->status);
    strbuf_consume(head, length);
    if (exchange->has_length)
        exchange->length_at -= length;
}

void rack_response_take(mrb_state *mrb, struct rack_exchange *exchange, mrb_value response)
{
    if (mrb_array_p(response) && RARRAY_LEN(response) >= 3)
        exchange->body = RARRAY_PTR(response)[2];
    if (!mrb_array_p(response) || RARRAY_LEN(response) != 3)
        rack_response_error(mrb, "the application must return [status, headers, body], not %s%Y",
                            mrb_array_p(response) ? "an Array of another size: " : "", response);
    exchange->headers = RARRAY_PTR(response)[1];
    exchange->status = status_number(mrb, RARRAY_PTR(response)[0]);
    if (exchange->status == 204 || exchange->status == 304)
        exchange->bodiless = true;
    put_status(&exchange->head, exchange->status);
    put_headers(mrb, exchange);
    if (exchange->status != 302 && exchange->status / 100 <= 3 && exchange->status != 200 &&
        has_line(&exchange->head, "location", 8))
        put_status_last(exchange);
}
