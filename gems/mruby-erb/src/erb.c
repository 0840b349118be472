/* ERB's work on text: translating templates, compiling what comes of them, escaping. */
#include <stdlib.h>
#include <string.h>

#include <mruby.h>
#include <mruby/class.h>
#include <mruby/compile.h>
#include <mruby/error.h>
#include <mruby/proc.h>
#include <mruby/string.h>
#include <mruby/variable.h>

#include "erb_translate.h"

void mrb_mruby_erb_gem_init(mrb_state *mrb);
void mrb_mruby_erb_gem_final(mrb_state *mrb);

struct output {
    mrb_state *mrb;
    mrb_value code;
};

static void append(void *data, const char *code, size_t length)
{
    struct output *output = data;

    mrb_str_cat(output->mrb, output->code, code, length);
}

/* (template, trim mode, variable, escape, file, line) */
static mrb_value erb_s_translate(mrb_state *mrb, mrb_value self)
{
    const char *text, *mode, *variable, *file;
    mrb_int length, first_line;
    mrb_bool escape;

    (void)self;
    mrb_get_args(mrb, "szzbzi", &text, &length, &mode, &variable, &escape, &file, &first_line);
    struct erb_options options = { .percent = strchr(mode, '%') != NULL,
                                   .trim_lines = strstr(mode, "<>") != NULL,
                                   .trim_ends = strchr(mode, '>') != NULL && strstr(mode, "<>") == NULL,
                                   .trim_dashes = strchr(mode, '-') != NULL,
                                   .escape = escape,
                                   .variable = variable };
    struct output output = { .mrb = mrb, .code = mrb_str_new_capa(mrb, length + length / 4) };
    size_t line = erb_translate(text, (size_t)length, &options, append, &output);
    if (line > 0)
        mrb_raisef(mrb, mrb_class_get(mrb, "SyntaxError"), "%s:%i: this <%% is never closed by %%>", file,
                   (mrb_int)line + first_line - 1);
    return output.code;
}

struct compiling {
    mrb_ccontext *context;
    struct mrb_parser_state *parser;
    mrb_value code;
};

/* The value of the code, or a SyntaxError to be raised. */
static mrb_value compile_and_run(mrb_state *mrb, void *data)
{
    struct compiling *compiling = data;
    struct mrb_parser_state *parser;

    parser = compiling->parser =
        mrb_parse_nstring(mrb, RSTRING_PTR(compiling->code), (size_t)RSTRING_LEN(compiling->code), compiling->context);
    if (parser == NULL)
        mrb_raise(mrb, E_RUNTIME_ERROR, "the template could not be parsed");
    if (parser->nerr > 0) {
        const struct mrb_parser_message *message = &parser->error_buffer[0];
        mrb_raisef(mrb, mrb_class_get(mrb, "SyntaxError"), "%s:%d:%d: %s", compiling->context->filename,
                   (int)message->lineno, message->column, message->message);
    }
    compiling->parser = NULL; /* mrb_load_exec frees it */
    mrb_value result = mrb_load_exec(mrb, parser, compiling->context);
    if (mrb->exc != NULL) {
        mrb_value error = mrb_obj_value(mrb->exc);
        mrb->exc = NULL;
        mrb_exc_raise(mrb, error);
    }
    return result;
}

/* (code, file, line): runs it at top level. SyntaxError tells file and line. */
static mrb_value erb_s_evaluate(mrb_state *mrb, mrb_value self)
{
    struct compiling compiling = { .context = NULL };
    const char *file;
    mrb_int line;
    mrb_bool failed;

    (void)self;
    mrb_get_args(mrb, "Szi", &compiling.code, &file, &line);
    mrb_ccontext *context = compiling.context = mrb_ccontext_new(mrb);
    mrb_ccontext_filename(mrb, context, file);
    context->capture_errors = TRUE;
    context->lineno = (uint16_t)line;
    mrb_value result = mrb_protect_error(mrb, compile_and_run, &compiling, &failed);
    if (compiling.parser != NULL)
        mrb_parser_free(compiling.parser);
    mrb_ccontext_free(mrb, context);
    if (failed)
        mrb_exc_raise(mrb, result);
    return result;
}

static mrb_value erb_s_main(mrb_state *mrb, mrb_value self)
{
    (void)self;
    return mrb_top_self(mrb);
}

struct entity {
    char text[7];
    unsigned char length; /* 0: the character stands for itself */
};

static const struct entity entities[256] = {
    ['&'] = { "&amp;", 5 },  ['<'] = { "&lt;", 4 },   ['>'] = { "&gt;", 4 },
    ['"'] = { "&quot;", 6 }, ['\''] = { "&#39;", 5 },
};

/* The first character that has an entity, or `end`. */
static const char *find_special(const char *at, const char *end)
{
    while (at < end && entities[(unsigned char)*at].length == 0)
        at++;
    return at;
}

static void append_escaped(mrb_state *mrb, mrb_value buffer, const char *from, const char *end)
{
    for (;;) {
        const char *at = find_special(from, end);
        mrb_str_cat(mrb, buffer, from, (size_t)(at - from));
        if (at == end)
            return;
        const struct entity *entity = &entities[(unsigned char)*at];
        mrb_str_cat(mrb, buffer, entity->text, entity->length);
        from = at + 1;
    }
}

/* As `to_s` says, also where a class of one's own has another one. */
static mrb_value text_of(mrb_state *mrb, mrb_value value)
{
    if (mrb_string_p(value) && mrb_obj_ptr(value)->c == mrb->string_class)
        return value;
    if (mrb_integer_p(value) || mrb_symbol_p(value))
        return mrb_obj_as_string(mrb, value);
    return mrb_ensure_string_type(mrb, mrb_funcall_argv(mrb, value, mrb_intern_lit(mrb, "to_s"), 0, NULL));
}

static mrb_value html_escape(mrb_state *mrb, mrb_value self)
{
    (void)self;
    mrb_value text = text_of(mrb, mrb_get_arg1(mrb));
    const char *from = RSTRING_PTR(text), *end = from + RSTRING_LEN(text);
    if (find_special(from, end) == end)
        return mrb_str_dup(mrb, text);

    mrb_value escaped = mrb_str_new_capa(mrb, RSTRING_LEN(text) + RSTRING_LEN(text) / 8 + 16);
    append_escaped(mrb, escaped, from, end);
    return escaped;
}

/* What a template does most: (value, text behind it that is ready) go to the end of the buffer. */
static mrb_value put(mrb_state *mrb, mrb_value buffer, bool escape)
{
    mrb_int count = mrb_get_argc(mrb);

    if (count != 1 && count != 2)
        mrb_argnum_error(mrb, count, 1, 2);
    const mrb_value *arguments = mrb_get_argv(mrb);
    mrb_value value = arguments[0], literal = count == 2 ? arguments[1] : mrb_nil_value();
    value = text_of(mrb, value);
    if (escape && mrb_obj_eq(mrb, value, buffer))
        value = mrb_str_dup(mrb, value);
    if (escape)
        append_escaped(mrb, buffer, RSTRING_PTR(value), RSTRING_PTR(value) + RSTRING_LEN(value));
    else
        mrb_str_cat_str(mrb, buffer, value);
    return mrb_string_p(literal) ? mrb_str_cat_str(mrb, buffer, literal) : buffer;
}

static mrb_value put_raw(mrb_state *mrb, mrb_value self)
{
    return put(mrb, self, false);
}

static mrb_value put_escaped(mrb_state *mrb, mrb_value self)
{
    return put(mrb, self, true);
}

static mrb_value url_encode(mrb_state *mrb, mrb_value self)
{
    static const char digits[] = "0123456789ABCDEF";
    mrb_value object;

    (void)self;
    mrb_get_args(mrb, "o", &object);
    mrb_value text = mrb_obj_as_string(mrb, object);
    mrb_value encoded = mrb_str_new_capa(mrb, RSTRING_LEN(text));
    for (mrb_int i = 0; i < RSTRING_LEN(text); i++) {
        unsigned char byte = (unsigned char)RSTRING_PTR(text)[i];
        if ((byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
            (byte != 0 && strchr("-._~", byte) != NULL))
            mrb_str_cat(mrb, encoded, (char[]){ (char)byte }, 1);
        else
            mrb_str_cat(mrb, encoded, (char[]){ '%', digits[byte >> 4], digits[byte & 15] }, 3);
    }
    return encoded;
}

void mrb_mruby_erb_gem_init(mrb_state *mrb)
{
    struct RClass *class = mrb_define_class(mrb, "ERB", mrb->object_class);
    struct RClass *util = mrb_define_module_under(mrb, class, "Util");

    mrb_define_class_method(mrb, class, "_translate", erb_s_translate, MRB_ARGS_REQ(6));
    mrb_define_class_method(mrb, class, "_evaluate", erb_s_evaluate, MRB_ARGS_REQ(3));
    mrb_define_class_method(mrb, class, "_main", erb_s_main, MRB_ARGS_NONE());
    mrb_define_method(mrb, mrb->string_class, "_erb_put", put_raw, MRB_ARGS_ARG(1, 1));
    mrb_define_method(mrb, mrb->string_class, "_erb_escape", put_escaped, MRB_ARGS_ARG(1, 1));
    mrb_define_module_function(mrb, util, "html_escape", html_escape, MRB_ARGS_REQ(1));
    mrb_define_module_function(mrb, util, "h", html_escape, MRB_ARGS_REQ(1));
    mrb_define_module_function(mrb, util, "url_encode", url_encode, MRB_ARGS_REQ(1));
    mrb_define_module_function(mrb, util, "u", url_encode, MRB_ARGS_REQ(1));
}

void mrb_mruby_erb_gem_final(mrb_state *mrb)
{
    (void)mrb;
}
