#include <mruby.h>
#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/data.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include "multipart.h"
#include "rack.h"

/* The window is a String at @window, of which `from` bytes are done with. */
struct scanner {
    struct multipart multipart;
    size_t from;
};

static const struct mrb_data_type scanner_type = { "Rack::Multipart::Scanner", mrb_free };

static mrb_value scanner_initialize(mrb_state *mrb, mrb_value self)
{
    const char *boundary;
    mrb_int length;

    mrb_get_args(mrb, "s", &boundary, &length);
    mrb_free(mrb, DATA_PTR(self));
    mrb_data_init(self, NULL, &scanner_type);
    struct scanner *scanner = mrb_malloc(mrb, sizeof *scanner);
    *scanner = (struct scanner){ 0 };
    mrb_data_init(self, scanner, &scanner_type);
    if (!multipart_begin(&scanner->multipart, boundary, (size_t)length))
        mrb_raise(mrb, E_ARGUMENT_ERROR, "invalid boundary");
    mrb_iv_set(mrb, self, mrb_intern_lit(mrb, "@window"), mrb_str_new_capa(mrb, 0));
    return self;
}

/* More of the body. */
static mrb_value scanner_append(mrb_state *mrb, mrb_value self)
{
    struct scanner *scanner = DATA_GET_PTR(mrb, self, &scanner_type, struct scanner);
    const char *text;
    mrb_int length;

    mrb_get_args(mrb, "s", &text, &length);
    mrb_value old = mrb_iv_get(mrb, self, mrb_intern_lit(mrb, "@window"));
    size_t left = (size_t)RSTRING_LEN(old) - scanner->from;
    mrb_value window = mrb_str_new_capa(mrb, (mrb_int)left + length);
    mrb_str_cat(mrb, window, RSTRING_PTR(old) + scanner->from, left);
    mrb_str_cat(mrb, window, text, (size_t)length);
    mrb_iv_set(mrb, self, mrb_intern_lit(mrb, "@window"), window);
    scanner->from = 0;
    return self;
}

/* [event, text] of what has come, or nil: it needs more. */
static mrb_value scanner_next(mrb_state *mrb, mrb_value self)
{
    static const char *const names[] = {
        [MULTIPART_HEAD] = "head",
        [MULTIPART_DATA] = "data",
        [MULTIPART_END] = "end",
        [MULTIPART_DONE] = "done",
        [MULTIPART_NO_BOUNDARY] = "no_boundary",
        [MULTIPART_HEAD_TOO_LONG] = "head_too_long",
    };
    struct scanner *scanner = DATA_GET_PTR(mrb, self, &scanner_type, struct scanner);
    mrb_value window = mrb_iv_get(mrb, self, mrb_intern_lit(mrb, "@window"));
    struct multipart_text piece;
    size_t consumed;

    enum multipart_event event = multipart_next(&scanner->multipart, RSTRING_PTR(window) + scanner->from,
                                                (size_t)RSTRING_LEN(window) - scanner->from, &consumed, &piece);
    scanner->from += consumed;
    if (event == MULTIPART_MORE)
        return mrb_nil_value();
    mrb_value text = mrb_nil_value();
    if (piece.text != NULL)
        text = mrb_str_new(mrb, piece.text, (mrb_int)piece.length);
    return mrb_assoc_new(mrb, mrb_symbol_value(mrb_intern_cstr(mrb, names[event])), text);
}

static mrb_value unquoted(mrb_state *mrb, struct multipart_text value, bool is_path)
{
    if (value.text == NULL)
        return mrb_nil_value();
    mrb_value text = mrb_str_new(mrb, NULL, (mrb_int)value.length);
    size_t size = multipart_unquote(RSTRING_PTR(text), value, is_path);
    return mrb_str_resize(mrb, text, (mrb_int)size);
}

static mrb_value unfolded(mrb_state *mrb, struct multipart_text value)
{
    if (value.text == NULL)
        return mrb_nil_value();
    mrb_value text = mrb_str_new_capa(mrb, (mrb_int)value.length);
    for (size_t i = 0; i < value.length; i++)
        if (value.text[i] != '\r' && value.text[i] != '\n')
            mrb_str_cat(mrb, text, value.text + i, 1);
    return text;
}

/* [content_type, content_id, name, filename, filename*] of the head of a part. */
static mrb_value scanner_s_read_head(mrb_state *mrb, mrb_value self)
{
    const char *text;
    mrb_int length;
    struct multipart_head head;

    (void)self;
    mrb_get_args(mrb, "s", &text, &length);
    multipart_read_head(text, (size_t)length, &head);
    mrb_value fields[] = {
        unfolded(mrb, head.content_type),
        unfolded(mrb, head.content_id),
        unquoted(mrb, head.name, false),
        unquoted(mrb, head.filename, true),
        unquoted(mrb, head.extended_filename, false),
    };
    return mrb_ary_new_from_values(mrb, sizeof fields / sizeof *fields, fields);
}

static mrb_value scanner_s_scrub(mrb_state *mrb, mrb_value self)
{
    const char *text;
    mrb_int length;

    (void)self;
    mrb_get_args(mrb, "s", &text, &length);
    if (length > MRB_INT_MAX / 3)
        mrb_raise(mrb, E_ARGUMENT_ERROR, "string too long");
    mrb_value scrubbed = mrb_str_new(mrb, NULL, length * 3);
    size_t size = multipart_scrub(RSTRING_PTR(scrubbed), text, (size_t)length);
    return mrb_str_resize(mrb, scrubbed, (mrb_int)size);
}

void rack_multipart_init(mrb_state *mrb, struct RClass *rack)
{
    struct RClass *module = mrb_define_module_under(mrb, rack, "Multipart");
    struct RClass *scanner = mrb_define_class_under(mrb, module, "Scanner", mrb->object_class);

    MRB_SET_INSTANCE_TT(scanner, MRB_TT_CDATA);
    mrb_define_method(mrb, scanner, "initialize", scanner_initialize, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, scanner, "<<", scanner_append, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, scanner, "next", scanner_next, MRB_ARGS_NONE());
    mrb_define_class_method(mrb, scanner, "read_head", scanner_s_read_head, MRB_ARGS_REQ(1));
    mrb_define_class_method(mrb, scanner, "scrub", scanner_s_scrub, MRB_ARGS_REQ(1));
}
