/* Percent-encoding (RFC 3986, 2.1), and the + that is a space in forms. */
#ifndef MRUBY_PERCENT_CODING_H
#define MRUBY_PERCENT_CODING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PERCENT_BROKEN SIZE_MAX

enum percent_decoding {
    PERCENT_FORM = 1,     /* a + is a space */
    PERCENT_TOLERANT = 2, /* a % without two digits stays as it is */
};

/* Letters, digits and the characters in `kept` stay as they are; with `form` a space becomes a +. `to` has room for
   three times `length`. Returns how long the result is. */
size_t percent_encode(char *to, const char *text, size_t length, const char *kept, bool form);

/* `to` has room for `length` bytes and may be `text`. Returns how long the result is, or PERCENT_BROKEN when a % stands
   without two digits. `how`: of enum percent_decoding. */
size_t percent_decode(char *to, const char *text, size_t length, unsigned how);

#endif
