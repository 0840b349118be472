#include "state_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xalloc.h"

#define LAST_LINE "end"

static void add_descriptor(struct state_descriptors *descriptors, int fd)
{
    descriptors->items = xreallocarray(descriptors->items, descriptors->count + 1, sizeof *descriptors->items);
    descriptors->items[descriptors->count++] = fd;
}

void state_writer_start(struct state_writer *writer)
{
    *writer = (struct state_writer){ 0 };
    strbuf_puts(&writer->text, STATE_TEXT_FORMAT);
}

void state_put_record(struct state_writer *writer, const char *kind)
{
    strbuf_printf(&writer->text, "\n%s", kind);
}

void state_put_number(struct state_writer *writer, const char *key, int64_t number)
{
    strbuf_printf(&writer->text, " %s=%lld", key, (long long)number);
}

void state_put_string(struct state_writer *writer, const char *key, const char *string)
{
    if (!string)
        return;
    strbuf_printf(&writer->text, " %s=", key);
    for (const char *at = string; *at; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte <= ' ' || byte == '%' || byte == 0x7f)
            strbuf_printf(&writer->text, "%%%02X", byte);
        else
            strbuf_append(&writer->text, at, 1);
    }
}

void state_put_descriptor(struct state_writer *writer, const char *key, int fd)
{
    if (fd < 0)
        return;
    state_put_number(writer, key, fd);
    add_descriptor(&writer->descriptors, fd);
}

static uint64_t load(const void *from, size_t size, bool is_signed)
{
    switch (size) {
    case 1: return is_signed ? (uint64_t) * (const int8_t *)from : *(const uint8_t *)from;
    case 2: return is_signed ? (uint64_t) * (const int16_t *)from : *(const uint16_t *)from;
    case 4: return is_signed ? (uint64_t) * (const int32_t *)from : *(const uint32_t *)from;
    default: return *(const uint64_t *)from;
    }
}

static void store(void *into, size_t size, uint64_t value)
{
    switch (size) {
    case 1: *(uint8_t *)into = (uint8_t)value; break;
    case 2: *(uint16_t *)into = (uint16_t)value; break;
    case 4: *(uint32_t *)into = (uint32_t)value; break;
    default: *(uint64_t *)into = value; break;
    }
}

void state_put_fields(struct state_writer *writer, const struct state_field *fields, size_t count, const void *from)
{
    for (size_t i = 0; i < count; i++) {
        const struct state_field *field = &fields[i];
        const char *member = (const char *)from + field->offset;
        switch (field->kind) {
        case STATE_SIGNED: state_put_number(writer, field->key, (int64_t)load(member, field->size, true)); break;
        case STATE_UNSIGNED:
            strbuf_printf(&writer->text, " %s=%llu", field->key, (unsigned long long)load(member, field->size, false));
            break;
        case STATE_STRING: state_put_string(writer, field->key, *(char *const *)(const void *)member); break;
        case STATE_CHARS: state_put_string(writer, field->key, member); break;
        }
    }
}

void state_writer_finish(struct state_writer *writer)
{
    strbuf_puts(&writer->text, "\n" LAST_LINE "\n");
}

void state_writer_free(struct state_writer *writer)
{
    strbuf_free(&writer->text);
    free(writer->descriptors.items);
}

void state_error(struct state_reader *reader, const char *format, ...)
{
    char text[512];
    va_list arguments;
    if (reader->error.length > 0)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    strbuf_puts(&reader->error, text);
}

static int hexadecimal(char digit)
{
    const char *digits = "0123456789ABCDEF", *found = digit ? strchr(digits, digit) : NULL;
    return found ? (int)(found - digits) : -1;
}

/* In place. A % that introduces nothing stands for itself. */
static void decode(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        int high = *from == '%' ? hexadecimal(from[1]) : -1;
        int low = high >= 0 ? hexadecimal(from[2]) : -1;
        if (low >= 0) {
            *to++ = (char)(high * 16 + low);
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

static char *take_line(struct state_reader *reader)
{
    char *line = reader->next, *newline = line ? strchr(line, '\n') : NULL;
    if (!newline) {
        state_error(reader, "the state is cut short");
        reader->next = NULL;
        return NULL;
    }
    *newline = '\0';
    reader->next = newline + 1;
    return line;
}

void state_reader_start(struct state_reader *reader, char *text)
{
    *reader = (struct state_reader){ .next = text };
    const char *first = take_line(reader);
    if (first && strcmp(first, STATE_TEXT_FORMAT) != 0) {
        state_error(reader, "the state is of another format, \"%.40s\" in place of \"%s\"", first, STATE_TEXT_FORMAT);
        reader->next = NULL;
    }
    state_next(reader);
}

const char *state_next(struct state_reader *reader)
{
    reader->count = 0;
    reader->kind = NULL;
    char *line = reader->next ? take_line(reader) : NULL;
    if (!line || strcmp(line, LAST_LINE) == 0) {
        reader->next = NULL;
        return NULL;
    }
    char *rest = line, *word = strtok_r(line, " ", &rest);
    reader->kind = word ? word : "";
    while ((word = strtok_r(NULL, " ", &rest))) {
        char *value = strchr(word, '=');
        if (!value)
            continue;
        *value++ = '\0';
        decode(value);
        if (reader->count == reader->capacity) {
            reader->capacity = reader->capacity ? 2 * reader->capacity : 64;
            reader->pairs = xreallocarray(reader->pairs, reader->capacity, sizeof *reader->pairs);
        }
        reader->pairs[reader->count++] = (struct state_pair){ .key = word, .value = value };
    }
    return reader->kind;
}

const char *state_string(const struct state_reader *reader, const char *key)
{
    for (size_t i = 0; i < reader->count; i++)
        if (strcmp(reader->pairs[i].key, key) == 0)
            return reader->pairs[i].value;
    return NULL;
}

int64_t state_number(const struct state_reader *reader, const char *key, int64_t otherwise)
{
    const char *value = state_string(reader, key);
    return value ? strtoll(value, NULL, 10) : otherwise;
}

int state_descriptor(struct state_reader *reader, const char *key)
{
    int64_t fd = state_number(reader, key, -1);
    if (fd < 0)
        return -1;
    if (fd > INT32_MAX || fcntl((int)fd, F_GETFD) < 0) {
        state_error(reader, "descriptor %lld of a %s is not open", (long long)fd, reader->kind);
        return -1;
    }
    add_descriptor(&reader->descriptors, (int)fd);
    return (int)fd;
}

void state_get_fields(const struct state_reader *reader, const struct state_field *fields, size_t count, void *into)
{
    for (size_t i = 0; i < count; i++) {
        const struct state_field *field = &fields[i];
        char *member = (char *)into + field->offset;
        const char *value = state_string(reader, field->key);
        if (!value)
            continue;
        switch (field->kind) {
        case STATE_SIGNED: store(member, field->size, (uint64_t)strtoll(value, NULL, 10)); break;
        case STATE_UNSIGNED: store(member, field->size, strtoull(value, NULL, 10)); break;
        case STATE_STRING:
            free(*(char **)(void *)member);
            *(char **)(void *)member = xstrdup(value);
            break;
        case STATE_CHARS: snprintf(member, field->size, "%s", value); break;
        }
    }
}

void state_reader_free(struct state_reader *reader)
{
    free(reader->pairs);
    free(reader->descriptors.items);
    strbuf_free(&reader->error);
}
