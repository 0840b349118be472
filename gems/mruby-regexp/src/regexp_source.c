/*
 * The text of patterns. In CRuby \d \s \w and \u{} are not what they are in Oniguruma; the rest is.
 */
#include <string.h>

#include <mruby.h>
#include <mruby/array.h>
#include <mruby/string.h>

#include "regexp.h"

/* What goes between brackets. */
static const char *class_of(char letter)
{
    switch (letter) {
    case 'd':
    case 'D': return "0-9";
    case 's':
    case 'S': return " \\t\\r\\n\\f\\v";
    case 'w':
    case 'W': return "a-zA-Z0-9_";
    default: return NULL;
    }
}

static void append_class(mrb_state *mrb, mrb_value to, char letter, mrb_bool in_brackets, mrb_bool before_dash)
{
    mrb_bool negative = letter < 'a';
    if (!in_brackets || negative)
        mrb_str_cat_cstr(mrb, to, negative ? "[^" : "[");
    mrb_str_cat_cstr(mrb, to, class_of(letter));
    if (!in_brackets || negative)
        mrb_str_cat_lit(mrb, to, "]");
    if (in_brackets && before_dash)
        mrb_str_cat_lit(mrb, to, "\\-");
}

static mrb_bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* From behind "\u{" to behind "}": "\x{...}" for each number. Returns NULL when it is not well formed. */
static const char *append_code_points(mrb_state *mrb, mrb_value to, const char *at, const char *end)
{
    unsigned count = 0;
    while (at < end && *at != '}') {
        const char *digits = at;
        while (at < end && is_hex(*at))
            at++;
        if (at == digits || at - digits > 6)
            return NULL;
        mrb_str_cat_lit(mrb, to, "\\x{");
        mrb_str_cat(mrb, to, digits, (size_t)(at - digits));
        mrb_str_cat_lit(mrb, to, "}");
        count++;
        while (at < end && (*at == ' ' || *at == '\t'))
            at++;
    }
    return at < end && count > 0 ? at + 1 : NULL;
}

/* The end of a comment that begins here, or NULL when none does. */
static const char *comment_end(const char *at, const char *end, mrb_bool extended)
{
    const char *close = NULL;
    if (extended && *at == '#')
        close = (const char *)memchr(at, '\n', (size_t)(end - at));
    else if (end - at >= 3 && memcmp(at, "(?#", 3) == 0)
        close = (const char *)memchr(at, ')', (size_t)(end - at));
    else
        return NULL;
    return close == NULL ? end : close + 1;
}

mrb_value regexp_translate(mrb_state *mrb, const char *source, mrb_int length, uint32_t options, mrb_bool *has_repeat)
{
    const char *end = source + length, *copied = source, *at = source;
    mrb_value result = mrb_str_new_capa(mrb, (size_t)length);
    int depth = 0; /* of brackets */

    *has_repeat = FALSE;
    while (at < end) {
        const char *next = at + 1, *comment = depth > 0 ? NULL : comment_end(at, end, options & REGEXP_EXTENDED);
        if (comment != NULL) {
            next = comment;
        } else if (depth == 0 && *at == '(' && next < end && *next == '*') {
            mrb_raisef(mrb, E_REGEXP_ERROR, "target of repeat operator is not specified: /%l/", source, (size_t)length);
        } else if (depth == 0 && (*at == '*' || *at == '+' || *at == '{')) {
            *has_repeat = TRUE;
        } else if (*at == '[' && !(depth > 0 && next < end && *next == ':')) {
            depth++;
            /* A bracket that closes at once is a literal one. */
            if (next < end && *next == '^')
                next++;
            if (next < end && *next == ']')
                next++;
        } else if (*at == '[') {
            const char *close = (const char *)memchr(next, ']', (size_t)(end - next));
            if (close != NULL && close[-1] == ':')
                next = close + 1;
            else
                depth++;
        } else if (*at == ']' && depth > 0) {
            depth--;
        } else if (*at == '\\' && next < end) {
            char letter = *next++;
            if (class_of(letter) != NULL) {
                mrb_bool before_dash = next < end && *next == '-';
                mrb_str_cat(mrb, result, copied, (size_t)(at - copied));
                append_class(mrb, result, letter, depth > 0, before_dash);
                if (depth > 0 && before_dash)
                    next++;
                copied = next;
            } else if (letter == 'u' && next < end && *next == '{') {
                mrb_str_cat(mrb, result, copied, (size_t)(at - copied));
                next = append_code_points(mrb, result, next + 1, end);
                if (next == NULL)
                    mrb_raisef(mrb, E_REGEXP_ERROR, "invalid Unicode list: /%l/", source, (size_t)length);
                copied = next;
            } else if (letter == 'g') {
                *has_repeat = TRUE;
            }
        }
        at = next;
    }
    mrb_str_cat(mrb, result, copied, (size_t)(end - copied));
    return result;
}

mrb_value regexp_escape(mrb_state *mrb, const char *text, mrb_int length)
{
    mrb_value result = mrb_str_new_capa(mrb, (size_t)length + 8);
    for (mrb_int i = 0; i < length; i++) {
        char pair[2] = { '\\', text[i] };
        switch (text[i]) {
        case '\n': pair[1] = 'n'; break;
        case '\t': pair[1] = 't'; break;
        case '\r': pair[1] = 'r'; break;
        case '\f': pair[1] = 'f'; break;
        case '\v': pair[1] = 'v'; break;
        default:
            if (text[i] == '\0' || strchr("[]{}()|-*.\\?+^$# ", text[i]) == NULL) {
                mrb_str_cat(mrb, result, text + i, 1);
                continue;
            }
        }
        mrb_str_cat(mrb, result, pair, 2);
    }
    return result;
}

void regexp_append_source(mrb_state *mrb, mrb_value to, const struct regexp *regexp)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *source = RSTRING_PTR(regexp->source);
    mrb_int length = RSTRING_LEN(regexp->source);

    for (mrb_int i = 0; i < length; i++) {
        unsigned char c = (unsigned char)source[i];
        if (c == '\\' && i + 1 < length) {
            mrb_str_cat(mrb, to, source + i++, 2);
        } else if (c == '/') {
            mrb_str_cat_lit(mrb, to, "\\/");
        } else if ((c < ' ' && strchr("\t\n\v\f\r", c) == NULL) || c == '\0' || c == 0x7f) {
            char code[4] = { '\\', 'x', digits[c >> 4], digits[c & 15] };
            mrb_str_cat(mrb, to, code, sizeof code);
        } else {
            mrb_str_cat(mrb, to, source + i, 1);
        }
    }
}
