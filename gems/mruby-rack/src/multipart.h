/* Bodies in parts (RFC 2046, 5.1; RFC 7578), as they come in. */
#ifndef MRUBY_RACK_MULTIPART_H
#define MRUBY_RACK_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#define MULTIPART_BOUNDARY_MAX 70
#define MULTIPART_PREAMBLE_MAX ((size_t)16 << 10)
#define MULTIPART_HEAD_MAX ((size_t)64 << 10)
#define MULTIPART_DISPOSITION_MAX 1536
#define MULTIPART_PARAMETERS_MAX 8

/* `text` NULL: there is none. */
struct multipart_text {
    const char *text;
    size_t length;
};

enum multipart_event {
    MULTIPART_MORE,          /* nothing can be said without more bytes */
    MULTIPART_HEAD,          /* a part begins: its head, without the empty line */
    MULTIPART_DATA,          /* of that part; as often as it takes */
    MULTIPART_END,           /* that part is complete */
    MULTIPART_DONE,          /* all of them are; what follows means nothing */
    MULTIPART_NO_BOUNDARY,   /* not within MULTIPART_PREAMBLE_MAX */
    MULTIPART_HEAD_TOO_LONG, /* more than MULTIPART_HEAD_MAX */
};

enum multipart_place { MULTIPART_IN_PREAMBLE, MULTIPART_IN_HEAD, MULTIPART_IN_PART, MULTIPART_BEHIND };

struct multipart {
    char delimiter[2 + 2 + MULTIPART_BOUNDARY_MAX]; /* with the line break before it */
    size_t delimiter_length;
    enum multipart_place place;
    bool fresh; /* the delimiter may stand here without its line break */
    size_t preamble;
};

/* False: no boundary is empty or longer than MULTIPART_BOUNDARY_MAX. */
bool multipart_begin(struct multipart *multipart, const char *boundary, size_t length);

/* What the `length` bytes at `window` begin with. `consumed` of them are done with: the next call begins behind them.
   After MULTIPART_MORE it needs the rest again, and more behind it. `piece` is the text of the event, within the
   window. After one of the last three events nothing else comes. */
enum multipart_event multipart_next(struct multipart *multipart, const char *window, size_t length, size_t *consumed,
                                    struct multipart_text *piece);

/* Of a head: slices of it, as they are written. Content-Disposition is read when it is not longer than
   MULTIPART_DISPOSITION_MAX, and MULTIPART_PARAMETERS_MAX of its parameters. */
struct multipart_head {
    struct multipart_text content_type, content_id, name, filename, extended_filename;
};

void multipart_read_head(const char *text, size_t length, struct multipart_head *head);

/* The value of a parameter without its quotes, backslashes and line breaks; `to` has room for its length. With
   `is_path` only a quote loses its backslash: old browsers sent C:\whole\paths. Returns how long it is. */
size_t multipart_unquote(char *to, struct multipart_text value, bool is_path);

/* Replaces what is no UTF-8 by U+FFFD; `to` has room for three times `length`. Returns how long it is. */
size_t multipart_scrub(char *to, const char *text, size_t length);

#endif
