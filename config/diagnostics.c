#include "diagnostics.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "strbuf.h"
#include "xalloc.h"

#define QUOTE_MAX 60

struct diagnostic {
    struct place place;
    size_t sequence;
    char *text;
};

void diagnostics_error(struct diagnostics *diagnostics, struct place place, const char *format, ...)
{
    if (diagnostics->count == diagnostics->capacity) {
        diagnostics->capacity = diagnostics->capacity ? diagnostics->capacity * 2 : 16;
        diagnostics->items = xreallocarray(diagnostics->items, diagnostics->capacity, sizeof *diagnostics->items);
    }
    va_list arguments;
    va_start(arguments, format);
    char *text;
    if (vasprintf(&text, format, arguments) < 0)
        text = xstrdup("a message that could not be put together");
    va_end(arguments);
    diagnostics->items[diagnostics->count] = (struct diagnostic){
        .place = place,
        .sequence = diagnostics->count,
        .text = text,
    };
    diagnostics->count++;
}

static int order(unsigned long a, unsigned long b)
{
    return (a > b) - (a < b);
}

static int compare(const void *left, const void *right)
{
    const struct diagnostic *a = left, *b = right;
    int result = order(a->place.source->index, b->place.source->index);
    if (result == 0)
        result = order(a->place.line, b->place.line);
    if (result == 0)
        result = order(a->place.column, b->place.column);
    if (result == 0)
        result = order(a->sequence, b->sequence);
    return result;
}

/* Neither a line break nor a terminal's control sequence gets from a file into a message. */
static char *printable(const char *text)
{
    struct strbuf out = { 0 };
    strbuf_puts(&out, "");
    for (const unsigned char *byte = (const unsigned char *)text; *byte != '\0'; byte++) {
        bool second_half = byte[0] == 0xC2 && byte[1] >= 0x80 && byte[1] < 0xA0;
        if (second_half) {
            strbuf_printf(&out, "\\u%04x", byte[1]);
            byte++;
        } else if (*byte < 0x20 || *byte == 0x7F) {
            strbuf_printf(&out, "\\x%02x", *byte);
        } else {
            strbuf_append(&out, byte, 1);
        }
    }
    return strbuf_detach(&out);
}

static void append(struct config_strings *lines, const char *place, const char *text)
{
    char *line = xasprintf("%s: %s", place, text);
    lines->items = xreallocarray(lines->items, lines->count + 1, sizeof *lines->items);
    lines->items[lines->count++] = printable(line);
    free(line);
}

void diagnostics_report(struct diagnostics *diagnostics, struct config_report *report)
{
    if (diagnostics->count > 0)
        qsort(diagnostics->items, diagnostics->count, sizeof *diagnostics->items, compare);
    for (size_t i = 0; i < diagnostics->count; i++) {
        struct diagnostic *item = &diagnostics->items[i];
        if (i < DIAGNOSTICS_MAX) {
            char *place = place_text(item->place);
            append(&report->errors, place, item->text);
            free(place);
        }
        free(item->text);
    }
    if (diagnostics->count > DIAGNOSTICS_MAX) {
        char *text = xasprintf("%zu errors more", diagnostics->count - DIAGNOSTICS_MAX);
        append(&report->errors, diagnostics->items[0].place.source->name, text);
        free(text);
    }
    free(diagnostics->items);
    *diagnostics = (struct diagnostics){ 0 };
}

char *place_text(struct place place)
{
    if (place.line == 0)
        return xstrdup(place.source->name);
    return xasprintf("%s:%u:%u", place.source->name, place.line, place.column);
}

void quote_for_message(struct strbuf *out, const char *text)
{
    size_t length = strlen(text);
    bool shortened = length > QUOTE_MAX;
    if (shortened) {
        length = QUOTE_MAX;
        while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
            length--;
    }
    strbuf_puts(out, "\"");
    strbuf_append(out, text, length);
    strbuf_puts(out, shortened ? "...\"" : "\"");
}
