/* From a template to Ruby, line by line: what stands on a line of the template stands on that line of the code. */
#ifndef MRUBY_ERB_TRANSLATE_H
#define MRUBY_ERB_TRANSLATE_H

#include <stdbool.h>
#include <stddef.h>

struct erb_options {
    bool percent;         /* a line that begins with % is code */
    bool trim_ends;       /* > : no line break after a %> */
    bool trim_lines;      /* <> : none when the line began with <% besides */
    bool trim_dashes;     /* - : none after -%>, no indentation before <%- */
    bool escape;          /* what <%= tells is escaped */
    const char *variable; /* that the text goes to */
};

/* Gets the code piece by piece. */
typedef void erb_sink(void *data, const char *code, size_t length);

/* The code as statements, without what makes `variable`. 0, or the line (from 1) of a tag that is never closed. */
size_t erb_translate(const char *text, size_t length, const struct erb_options *options, erb_sink *sink, void *data);

#endif
