/* Names and values in a line of text: a query string, the body of a form, the Cookie header. */
#ifndef MRUBY_RACK_QUERY_H
#define MRUBY_RACK_QUERY_H

#include <stdbool.h>
#include <stddef.h>

/* As it stands in the text. `value` NULL: there is no =. */
struct query_pair {
    const char *name, *value;
    size_t name_length, value_length;
};

/* The next one that is not empty, and where to look for the one after it. Any byte of `separators` stands between two;
   the spaces behind it belong to none. False: there is none left. */
bool query_next(const char **at, const char *end, const char *separators, struct query_pair *pair);

/* How many parts the text has, the empty ones among them. */
size_t query_count(const char *text, size_t length, const char *separators);

#endif
