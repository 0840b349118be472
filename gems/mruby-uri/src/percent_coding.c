#include "percent_coding.h"

#include <string.h>

static bool is_alphanumeric(char byte)
{
    char letter = (char)(byte | 0x20);

    return (byte >= '0' && byte <= '9') || (letter >= 'a' && letter <= 'z');
}

size_t percent_encode(char *to, const char *text, size_t length, const char *kept, bool form)
{
    static const char digits[] = "0123456789ABCDEF";
    char *at = to;

    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (is_alphanumeric(text[i]) || (byte != 0 && strchr(kept, byte) != NULL)) {
            *at++ = text[i];
        } else if (byte == ' ' && form) {
            *at++ = '+';
        } else {
            *at++ = '%';
            *at++ = digits[byte >> 4];
            *at++ = digits[byte & 15];
        }
    }
    return (size_t)(at - to);
}

static int hex_value(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

size_t percent_decode(char *to, const char *text, size_t length, unsigned how)
{
    char *at = to;

    for (size_t i = 0; i < length; i++) {
        char byte = text[i];
        if (byte == '+' && (how & PERCENT_FORM) != 0) {
            byte = ' ';
        } else if (byte == '%') {
            int high = length - i > 2 ? hex_value(text[i + 1]) : -1;
            int low = high != -1 ? hex_value(text[i + 2]) : -1;
            if (low != -1) {
                byte = (char)(high << 4 | low);
                i += 2;
            } else if ((how & PERCENT_TOLERANT) == 0) {
                return PERCENT_BROKEN;
            }
        }
        *at++ = byte;
    }
    return (size_t)(at - to);
}
