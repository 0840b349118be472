#include "mdoc.h"

#include <stdbool.h>
#include <string.h>

#define WIDTH 79

/* Up to `end`; a backtick switches bold on or off. */
static void append_word(const char *word, const char *end, bool *bold, struct strbuf *out)
{
    for (; word < end; word++) {
        if (*word == '\\') {
            strbuf_puts(out, "\\e");
        } else if (*word == '`') {
            *bold = !*bold;
            strbuf_puts(out, *bold ? "\\fB" : "\\fR");
        } else {
            strbuf_append(out, word, 1);
        }
    }
}

void mdoc_text(const char *text, struct strbuf *out)
{
    bool bold = false, sentence_ended = false;
    size_t line = out->length; /* where it begins */

    while (*text) {
        const char *end = text + strcspn(text, " ");
        struct strbuf word = { 0 };
        append_word(text, end, &bold, &word);
        if (out->length > line) {
            bool breaks = sentence_ended || out->length - line + 1 + word.length > WIDTH;
            strbuf_puts(out, breaks ? "\n" : " ");
            if (breaks)
                line = out->length;
        }
        if (out->length == line && (*text == '.' || *text == '\''))
            strbuf_puts(out, "\\&");
        strbuf_append(out, word.data, word.length);
        strbuf_free(&word);
        sentence_ended = end > text && end[-1] == '.';
        text = end + strspn(end, " ");
    }
    strbuf_puts(out, "\n");
}
