/* Base64, also of bytes that are secret: nothing here depends on a table. */
#include "digest.h"

#include <string.h>

#include <mruby/string.h>

#define LINE 60 /* characters, of what encode64 writes */

static char letter(unsigned value, mrb_bool url)
{
    if (value < 26)
        return (char)('A' + value);
    if (value < 52)
        return (char)('a' + value - 26);
    if (value < 62)
        return (char)('0' + value - 52);
    return value == 62 ? (url ? '-' : '+') : (url ? '_' : '/');
}

/* -1: none of the alphabet. */
static int value_of(char letter, mrb_bool url)
{
    if (letter >= 'A' && letter <= 'Z')
        return letter - 'A';
    if (letter >= 'a' && letter <= 'z')
        return letter - 'a' + 26;
    if (letter >= '0' && letter <= '9')
        return letter - '0' + 52;
    if (letter == '+' || (url && letter == '-'))
        return 62;
    return letter == '/' || (url && letter == '_') ? 63 : -1;
}

mrb_value base64_encode(mrb_state *mrb, const unsigned char *bytes, mrb_int length, mrb_bool url, mrb_bool padding)
{
    if (length > MRB_INT_MAX / 4)
        mrb_raise(mrb, E_ARGUMENT_ERROR, "string is too long");
    mrb_value text = mrb_str_new(mrb, NULL, (length + 2) / 3 * 4);
    char *at = RSTRING_PTR(text);
    for (mrb_int i = 0; i < length; i += 3) {
        mrb_int count = length - i < 3 ? length - i : 3;
        unsigned group = (unsigned)bytes[i] << 16 | (unsigned)(count > 1 ? bytes[i + 1] : 0) << 8 |
                         (unsigned)(count > 2 ? bytes[i + 2] : 0);
        for (mrb_int j = 0; j < 4; j++) {
            if (j <= count)
                *at++ = letter(group >> (18 - 6 * j) & 63, url);
            else if (padding)
                *at++ = '=';
        }
    }
    return mrb_str_resize(mrb, text, at - RSTRING_PTR(text));
}

static mrb_value encode64(mrb_state *mrb, mrb_value self)
{
    const char *bytes;
    mrb_int length;

    (void)self;
    mrb_get_args(mrb, "s", &bytes, &length);
    mrb_value text = base64_encode(mrb, (const unsigned char *)bytes, length, FALSE, TRUE);
    mrb_int size = RSTRING_LEN(text);
    mrb_value lines = mrb_str_new(mrb, NULL, size + (size + LINE - 1) / LINE);
    char *to = RSTRING_PTR(lines);
    for (mrb_int at = 0; at < size; at += LINE) {
        mrb_int count = size - at < LINE ? size - at : LINE;
        memcpy(to, RSTRING_PTR(text) + at, (size_t)count);
        to += count;
        *to++ = '\n';
    }
    return lines;
}

/* encode(bytes, url, padding) */
static mrb_value encode(mrb_state *mrb, mrb_value self)
{
    const char *bytes;
    mrb_int length;
    mrb_bool url, padding;

    (void)self;
    mrb_get_args(mrb, "sbb", &bytes, &length, &url, &padding);
    return base64_encode(mrb, (const unsigned char *)bytes, length, url, padding);
}

/* As String#unpack("m"): passes over what is no Base64, and ends at padding. */
static mrb_value decode64(mrb_state *mrb, mrb_value self)
{
    const char *text;
    mrb_int length;
    unsigned group = 0, bits = 0;

    (void)self;
    mrb_get_args(mrb, "s", &text, &length);
    mrb_value bytes = mrb_str_new(mrb, NULL, length / 4 * 3 + 3);
    char *to = RSTRING_PTR(bytes);
    for (mrb_int i = 0; i < length && text[i] != '='; i++) {
        int value = value_of(text[i], FALSE);
        if (value == -1)
            continue;
        group = group << 6 | (unsigned)value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *to++ = (char)(group >> bits & 255);
        }
    }
    return mrb_str_resize(mrb, bytes, to - RSTRING_PTR(bytes));
}

/* strict(text, url): the alphabet for URLs may come with padding or without. */
static mrb_value strict(mrb_state *mrb, mrb_value self)
{
    const char *text;
    mrb_int length;
    mrb_bool url;
    unsigned group = 0, bits = 0;

    (void)self;
    mrb_get_args(mrb, "sb", &text, &length, &url);
    mrb_int padding = 0;
    while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
        padding++;
    mrb_int letters = length - padding;
    mrb_bool valid = letters % 4 != 1 && (length % 4 == 0 || (url && padding == 0));
    mrb_value bytes = mrb_str_new(mrb, NULL, letters / 4 * 3 + 3);
    char *to = RSTRING_PTR(bytes);
    for (mrb_int i = 0; i < letters && valid; i++) {
        int value = value_of(text[i], url);
        valid = value != -1;
        group = group << 6 | ((unsigned)value & 63);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *to++ = (char)(group >> bits & 255);
        }
    }
    /* The bits that are left over are none, so that there is one way alone to write it. */
    if (!valid || (group & ((1U << bits) - 1)) != 0)
        mrb_raise(mrb, E_ARGUMENT_ERROR, "invalid base64");
    return mrb_str_resize(mrb, bytes, to - RSTRING_PTR(bytes));
}

void base64_define(mrb_state *mrb)
{
    struct RClass *base64 = mrb_define_module(mrb, "Base64");
    mrb_define_module_function(mrb, base64, "encode64", encode64, MRB_ARGS_REQ(1));
    mrb_define_module_function(mrb, base64, "decode64", decode64, MRB_ARGS_REQ(1));
    mrb_define_module_function(mrb, base64, "__encode", encode, MRB_ARGS_REQ(3));
    mrb_define_module_function(mrb, base64, "__strict", strict, MRB_ARGS_REQ(2));
}
