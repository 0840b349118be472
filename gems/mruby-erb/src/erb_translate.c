#include "erb_translate.h"

#include <string.h>

#define LITERAL_MAX 4096 /* mruby's parser bounds tokens */

struct translator {
    const struct erb_options *options;
    erb_sink *sink;
    void *data;
    const char *start, *at, *end;
    size_t literal;    /* bytes of the literal that is open */
    bool literal_open; /* ... when there is one */
    bool call_open;    /* of a tag's value; the literal behind it is the second argument */
    size_t lines;      /* in the literal: their breaks follow the statement, whose line is the tag's then */
};

static void emit(const struct translator *translator, const char *code, size_t length)
{
    translator->sink(translator->data, code, length);
}

static void say(const struct translator *translator, const char *code)
{
    emit(translator, code, strlen(code));
}

static void end_statement(struct translator *translator)
{
    if (translator->literal_open)
        say(translator, "\"");
    if (translator->call_open)
        say(translator, ")");
    if (translator->literal_open || translator->call_open)
        say(translator, ";");
    for (; translator->lines > 0; translator->lines--)
        say(translator, "\n");
    translator->literal_open = translator->call_open = false;
}

static void begin_literal(struct translator *translator)
{
    if (translator->call_open) {
        say(translator, ", \"");
    } else {
        say(translator, translator->options->variable);
        say(translator, " << \"");
    }
    translator->literal_open = true;
    translator->literal = 0;
}

/* One byte of text. */
static void put_text(struct translator *translator, char byte)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char value = (unsigned char)byte;

    if (translator->literal_open && translator->literal >= LITERAL_MAX && (value & 0xc0) != 0x80)
        end_statement(translator);
    if (!translator->literal_open)
        begin_literal(translator);
    translator->literal++;
    if (byte == '"' || byte == '\\' || byte == '#') {
        emit(translator, (char[]){ '\\', byte }, 2);
    } else if (byte == '\n') {
        say(translator, "\\n");
        translator->lines++;
    } else if ((value < 0x20 && byte != '\t') || value == 0x7f) {
        emit(translator, (char[]){ '\\', 'x', digits[value >> 4], digits[value & 15] }, 4);
    } else {
        emit(translator, &byte, 1);
    }
}

static bool follows(const struct translator *translator, const char *at, const char *text)
{
    size_t length = strlen(text);

    return (size_t)(translator->end - at) >= length && memcmp(at, text, length) == 0;
}

/* The bytes of a line break at `at`. */
static size_t line_break(const struct translator *translator, const char *at)
{
    return follows(translator, at, "\n") ? 1 : follows(translator, at, "\r\n") ? 2 : 0;
}

static const char *line_start(const struct translator *translator, const char *at)
{
    while (at > translator->start && at[-1] != '\n')
        at--;
    return at;
}

static void keep_lines(const struct translator *translator, const char *from, const char *to)
{
    for (; from < to; from++)
        if (*from == '\n')
            say(translator, "\n");
}

/* %%> in code is %>. */
static void put_code(const struct translator *translator, const char *from, const char *to)
{
    for (const char *at = from; at < to; at++) {
        if (to - at >= 3 && memcmp(at, "%%>", 3) == 0) {
            emit(translator, from, (size_t)(at - from));
            from = at + 1;
            at++;
        }
    }
    emit(translator, from, (size_t)(to - from));
}

/* Only a comment on a line of its own: code would not end where the tag does. */
static bool is_comment(const char *from, const char *to)
{
    if (from >= to || memchr(from, '\n', (size_t)(to - from)) != NULL)
        return false;
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    return from < to && *from == '#';
}

static const char *find_close(const struct translator *translator, const char *at)
{
    for (; translator->end - at >= 2; at++) {
        if (follows(translator, at, "%%>"))
            at += 2;
        else if (follows(translator, at, "%>"))
            return at;
    }
    return NULL;
}

static void put_tag(struct translator *translator, const char *from, const char *to)
{
    const struct erb_options *options = translator->options;

    if (from < to && *from == '=') {
        bool raw = to - from >= 2 && from[1] == '=';
        say(translator, options->variable);
        say(translator, options->escape && !raw ? "._erb_escape((" : "._erb_put((");
        put_code(translator, from + 1 + raw, to);
        say(translator, ")");
        translator->call_open = true;
    } else if (is_comment(from, to) || (from < to && *from == '#')) {
        keep_lines(translator, from, to);
    } else {
        put_code(translator, from, to);
        say(translator, ";");
    }
}

/* Behind the tag that begins at `at`; NULL: it isn't closed. */
static bool translate_tag(struct translator *translator)
{
    const struct erb_options *options = translator->options;
    const char *tag = translator->at;
    const char *from = tag + 2;
    const char *to = find_close(translator, from);

    if (to == NULL)
        return false;
    const char *next = to + 2;
    bool dash = options->trim_dashes && to > from && to[-1] == '-';
    bool trim =
        options->trim_ends || dash || (options->trim_lines && follows(translator, line_start(translator, to), "<%"));
    if (options->trim_dashes && from < to && *from == '-' && !(dash && to - 1 == from))
        from++;
    end_statement(translator);
    put_tag(translator, from, dash ? to - 1 : to);
    size_t break_size = trim ? line_break(translator, next) : 0;
    if (break_size > 0) {
        end_statement(translator);
        say(translator, "\n");
    }
    translator->at = next + break_size;
    return true;
}

/* Whether only blanks lie from `at` to a tag that takes its indentation away. */
static const char *after_indentation(const struct translator *translator)
{
    const char *at = translator->at;

    while (at < translator->end && (*at == ' ' || *at == '\t'))
        at++;
    return follows(translator, at, "<%-") ? at : translator->at;
}

static void translate_percent_line(struct translator *translator)
{
    const char *from = translator->at + 1;
    const char *to = memchr(from, '\n', (size_t)(translator->end - from));

    end_statement(translator);
    if (to == NULL)
        to = translator->end;
    emit(translator, from, (size_t)(to - from));
    say(translator, "\n");
    translator->at = to < translator->end ? to + 1 : to;
}

size_t erb_translate(const char *text, size_t length, const struct erb_options *options, erb_sink *sink, void *data)
{
    struct translator translator = {
        .options = options, .sink = sink, .data = data, .start = text, .at = text, .end = text + length
    };

    while (translator.at < translator.end) {
        if (translator.at == text || translator.at[-1] == '\n') {
            if (options->percent && *translator.at == '%') {
                if (!follows(&translator, translator.at, "%%")) {
                    translate_percent_line(&translator);
                    continue;
                }
                translator.at++;
                put_text(&translator, *translator.at++);
                continue;
            }
            if (options->trim_dashes)
                translator.at = after_indentation(&translator);
        }
        if (follows(&translator, translator.at, "<%%")) {
            put_text(&translator, '<');
            put_text(&translator, '%');
            translator.at += 3;
        } else if (!follows(&translator, translator.at, "<%")) {
            put_text(&translator, *translator.at++);
        } else if (!translate_tag(&translator)) {
            size_t line = 1;
            for (const char *at = text; at < translator.at; at++)
                line += *at == '\n';
            return line;
        }
    }
    end_statement(&translator);
    return 0;
}
