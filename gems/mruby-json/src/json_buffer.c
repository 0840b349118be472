#include "json_buffer.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <mruby/string.h>

#include "json.h"

#define FIRST_CAPACITY 512

void json_buffer_init(struct json_buffer *buffer, mrb_state *mrb)
{
    buffer->mrb = mrb;
    buffer->string = mrb_str_new(mrb, NULL, FIRST_CAPACITY);
    buffer->bytes = RSTRING_PTR(buffer->string);
    buffer->length = 0;
    buffer->capacity = FIRST_CAPACITY;
}

void json_buffer_grow(struct json_buffer *buffer, mrb_int more)
{
    mrb_int capacity = buffer->capacity;
    if (more > MRB_INT_MAX / 4 || capacity > MRB_INT_MAX / 4)
        mrb_raise(buffer->mrb, json_error(buffer->mrb, "GeneratorError"), "text is too long");
    capacity = capacity * 2 > capacity + more ? capacity * 2 : capacity + more;
    mrb_str_resize(buffer->mrb, buffer->string, capacity);
    buffer->bytes = RSTRING_PTR(buffer->string);
    buffer->capacity = capacity;
}

mrb_value json_buffer_finish(struct json_buffer *buffer)
{
    return mrb_str_resize(buffer->mrb, buffer->string, buffer->length);
}

/* The length of the character that begins at `at`, a byte above 127, and its number; 0 when it is malformed. */
static mrb_int read_character(const unsigned char *at, mrb_int left, uint32_t *character)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    mrb_int length = *at >= 0xF0 ? 4 : *at >= 0xE0 ? 3 : 2;
    if (*at < 0xC2 || *at > 0xF4 || length > left)
        return 0;
    uint32_t number = *at & (0x7FU >> length);
    for (mrb_int i = 1; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
        number = number << 6 | (at[i] & 0x3F);
    }
    if (number < least[length] || number > 0x10FFFF || (number >= 0xD800 && number <= 0xDFFF))
        return 0;
    *character = number;
    return length;
}

static void put_unit(struct json_buffer *buffer, unsigned unit)
{
    char text[8];
    snprintf(text, sizeof text, "\\u%04x", unit & 0xFFFF);
    json_buffer_put(buffer, text, 6);
}

static void put_escaped(struct json_buffer *buffer, uint32_t character)
{
    if (character > 0xFFFF) {
        put_unit(buffer, 0xD800 + ((character - 0x10000) >> 10));
        character = 0xDC00 + ((character - 0x10000) & 0x3FF);
    }
    put_unit(buffer, character);
}

static void put_control(struct json_buffer *buffer, unsigned char byte)
{
    static const char shorts[] = "\bb\ff\nn\rr\tt\"\"\\\\//";
    for (const char *at = shorts; *at != '\0'; at += 2) {
        if ((unsigned char)*at == byte) {
            json_buffer_put_byte(buffer, '\\');
            json_buffer_put_byte(buffer, at[1]);
            return;
        }
    }
    put_escaped(buffer, byte);
}

void json_buffer_put_string(struct json_buffer *buffer, const char *bytes, mrb_int length, mrb_bool ascii_only,
                            mrb_bool script_safe)
{
    const unsigned char *at = (const unsigned char *)bytes, *end = at + length, *kept = at;

    json_buffer_put_byte(buffer, '"');
    while (at < end) {
        if (*at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\' && !(script_safe && *at == '/')) {
            at++;
            continue;
        }
        uint32_t character = *at;
        mrb_int size = *at < 0x80 ? 1 : read_character(at, end - at, &character);
        if (size == 0)
            mrb_raise(buffer->mrb, json_error(buffer->mrb, "GeneratorError"),
                      "source sequence is illegal/malformed utf-8");
        if (size == 1 || ascii_only || (script_safe && (character == 0x2028 || character == 0x2029))) {
            json_buffer_put(buffer, (const char *)kept, at - kept);
            if (size == 1)
                put_control(buffer, *at);
            else
                put_escaped(buffer, character);
            kept = at + size;
        }
        at += size;
    }
    json_buffer_put(buffer, (const char *)kept, end - kept);
    json_buffer_put_byte(buffer, '"');
}

/* As mruby keeps it: boxed in a word, a Float loses its last two bits unless the build says otherwise. */
static double as_kept(struct json_buffer *buffer, double number)
{
#ifdef MRB_WORDBOX_NO_FLOAT_TRUNCATE
    (void)buffer;
    return number;
#else
    return mrb_float(mrb_float_value(buffer->mrb, number));
#endif
}

/* Digits (without a point) that give `number` again, as few as can be, and the power of ten of the first. */
static int shortest_digits(struct json_buffer *buffer, double number, char digits[24], int *exponent)
{
    char text[40];
    /* 15 digits are kept by every normal number, so no shorter try is needed: trailing zeros go. */
    for (int precision = fabs(number) < 2.3e-308 ? 1 : 15; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision - 1, number);
        if (as_kept(buffer, strtod(text, NULL)) == number)
            break;
    }
    int count = 0;
    char *at = text;
    for (; *at != 'e'; at++)
        if (*at >= '0' && *at <= '9')
            digits[count++] = *at;
    *exponent = atoi(at + 1);
    while (count > 1 && digits[count - 1] == '0')
        count--;
    return count;
}

void json_buffer_put_float(struct json_buffer *buffer, double number)
{
    char digits[24], text[48];
    int exponent, length;

    if (signbit(number)) {
        json_buffer_put_byte(buffer, '-');
        number = -number;
    }
    int count = shortest_digits(buffer, number, digits, &exponent);
    if (number != 0 && (exponent < -4 || exponent > 14)) {
        length = snprintf(text, sizeof text, "%c.%.*se%+03d", digits[0], count > 1 ? count - 1 : 1,
                          count > 1 ? digits + 1 : "0", exponent);
    } else if (exponent < 0) {
        length = snprintf(text, sizeof text, "0.%.*s%.*s", -exponent - 1, "0000", count, digits);
    } else {
        int whole = exponent + 1;
        length = 0;
        for (int i = 0; i < whole; i++)
            text[length++] = i < count ? digits[i] : '0';
        text[length++] = '.';
        if (count <= whole)
            text[length++] = '0';
        for (int i = whole; i < count; i++)
            text[length++] = digits[i];
    }
    json_buffer_put(buffer, text, length);
}

void json_buffer_put_integer(struct json_buffer *buffer, mrb_int number)
{
    char text[24];
    char *at = text + sizeof text;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

    do
        *--at = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (number < 0)
        *--at = '-';
    json_buffer_put(buffer, at, text + sizeof text - at);
}
