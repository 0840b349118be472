#include "yaml_tree.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "xalloc.h"

struct builder {
    yaml_parser_t parser;
    const struct source *source;
    struct diagnostics *diagnostics;
    const char *text;
    size_t length;
};

/* Length of the UTF-8 character at `bytes`, its code point in *point; 0 when it is not valid. */
static size_t decode(const unsigned char *bytes, size_t length, uint32_t *point)
{
    static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    unsigned char lead = bytes[0];
    size_t width = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
    if (width == 0 || width > length)
        return 0;
    *point = width == 1 ? lead : lead & (0x7Fu >> width);
    for (size_t i = 1; i < width; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
        *point = *point << 6 | (bytes[i] & 0x3F);
    }
    bool surrogate = *point >= 0xD800 && *point <= 0xDFFF;
    return *point < smallest[width] || *point > 0x10FFFF || surrogate ? 0 : width;
}

/* YAML's printable characters; anything else has to be escaped in double quotes. */
static bool is_printable(uint32_t point)
{
    return point == '\t' || point == '\n' || point == '\r' || (point >= 0x20 && point <= 0x7E) || point == 0x85 ||
           (point >= 0xA0 && point != 0xFEFF && point != 0xFFFE && point != 0xFFFF);
}

/* libyaml gives no line and column for bytes that it can't decode, so they are looked for first. */
static bool check_characters(const struct builder *builder)
{
    const unsigned char *bytes = (const unsigned char *)builder->text;
    struct place place = { .source = builder->source, .line = 1, .column = 1 };
    if (builder->length >= 2 && (memcmp(bytes, "\xFF\xFE", 2) == 0 || memcmp(bytes, "\xFE\xFF", 2) == 0)) {
        diagnostics_error(builder->diagnostics, place, "the file is in UTF-16: save it as UTF-8");
        return false;
    }
    for (size_t at = 0; at < builder->length;) {
        uint32_t point = 0;
        size_t width = decode(bytes + at, builder->length - at, &point);
        if (width == 0) {
            diagnostics_error(builder->diagnostics, place, "invalid UTF-8 (byte 0x%02X)", bytes[at]);
            return false;
        }
        if (!is_printable(point)) {
            diagnostics_error(builder->diagnostics, place, "control character U+%04X: write it as \"\\x%02X\"",
                              (unsigned)point, (unsigned)point);
            return false;
        }
        at += width;
        bool line_ends = point == '\n' || (point == '\r' && !(at < builder->length && bytes[at] == '\n')) ||
                         point == 0x85 || point == 0x2028 || point == 0x2029;
        place.line += line_ends;
        place.column = line_ends ? 1 : place.column + 1;
    }
    return true;
}

static struct place place_of(const struct builder *builder, yaml_mark_t mark)
{
    return (struct place){
        .source = builder->source,
        .line = (unsigned)mark.line + 1,
        .column = (unsigned)mark.column + 1,
    };
}

/* The byte at which the character of that number begins; NUL behind the last. */
static char byte_of(const struct builder *builder, size_t character)
{
    for (size_t at = 0; at < builder->length; at++) {
        if (((unsigned char)builder->text[at] & 0xC0) != 0x80 && character-- == 0)
            return builder->text[at];
    }
    return '\0';
}

static void report_syntax_error(struct builder *builder)
{
    const yaml_parser_t *parser = &builder->parser;
    struct place place = place_of(builder, parser->problem_mark);
    char byte = byte_of(builder, parser->problem_mark.index);
    const char *problem = parser->problem ? parser->problem : "the text cannot be read";
    if (parser->error == YAML_SCANNER_ERROR && byte == '\t') {
        diagnostics_error(builder->diagnostics, place, "a tab where YAML wants spaces");
    } else if (parser->context == NULL) {
        diagnostics_error(builder->diagnostics, place, "not valid YAML: %s", problem);
    } else {
        bool unquoted = byte == ':' && strcmp(problem, "did not find expected node content") == 0;
        const char *hint = unquoted ? ": what begins with a colon needs quotes here" : "";
        diagnostics_error(builder->diagnostics, place, "not valid YAML: %s %s (begun at line %zu)%s", problem,
                          parser->context, parser->context_mark.line + 1, hint);
    }
}

static bool next_event(struct builder *builder, yaml_event_t *event)
{
    if (yaml_parser_parse(&builder->parser, event))
        return true;
    report_syntax_error(builder);
    return false;
}

static void refuse(struct builder *builder, struct node *node, const char *text)
{
    diagnostics_error(builder->diagnostics, node->place, "%s", text);
    node->failed = true;
}

static struct node *read_node(struct builder *builder, yaml_event_t *event, unsigned depth);

static bool read_items(struct builder *builder, struct node *list, unsigned depth)
{
    for (size_t capacity = 0;;) {
        yaml_event_t event;
        if (!next_event(builder, &event))
            return false;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return true;
        }
        struct node *item = read_node(builder, &event, depth);
        if (item == NULL)
            return false;
        if (list->count == capacity) {
            capacity = capacity ? capacity * 2 : 4;
            list->items = xreallocarray(list->items, capacity, sizeof *list->items);
        }
        list->items[list->count++] = item;
    }
}

/* Takes key and value over. */
static void add_entry(struct builder *builder, struct node *mapping, size_t *capacity, struct node *key,
                      struct node *value)
{
    bool merge = key->kind == NODE_SCALAR && !key->failed && key->plain && strcmp(key->text, "<<") == 0;
    if (merge)
        refuse(builder, key, "merge keys (<<) are not supported: write the settings out");
    else if (key->kind != NODE_SCALAR)
        refuse(builder, key, "a key must be a plain word");
    if (key->failed) {
        yaml_tree_free(key);
        yaml_tree_free(value);
        return;
    }
    /* the end of "key:" is a poor place to point at */
    if (value->kind == NODE_SCALAR && value->plain && value->text[0] == '\0')
        value->place = key->place;
    if (mapping->count == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 8;
        mapping->entries = xreallocarray(mapping->entries, *capacity, sizeof *mapping->entries);
    }
    mapping->entries[mapping->count++] = (struct node_entry){ .key = key, .value = value };
}

static int compare_entries(const void *left, const void *right)
{
    const struct node_entry *a = *(struct node_entry *const *)left, *b = *(struct node_entry *const *)right;
    int result = strcmp(a->key->text, b->key->text);
    return result != 0 ? result : (a > b) - (a < b);
}

static void mark_duplicates(struct node *mapping)
{
    if (mapping->count < 2)
        return;
    struct node_entry **sorted = xreallocarray(NULL, mapping->count, sizeof(struct node_entry *));
    for (size_t i = 0; i < mapping->count; i++)
        sorted[i] = &mapping->entries[i];
    qsort(sorted, mapping->count, sizeof(struct node_entry *), compare_entries);
    for (size_t i = 1, first = 0; i < mapping->count; i++) {
        if (strcmp(sorted[i]->key->text, sorted[first]->key->text) == 0)
            sorted[i]->first = sorted[first]->key;
        else
            first = i;
    }
    free(sorted);
}

static bool read_entries(struct builder *builder, struct node *mapping, unsigned depth)
{
    for (size_t capacity = 0;;) {
        yaml_event_t event;
        if (!next_event(builder, &event))
            return false;
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            mark_duplicates(mapping);
            return true;
        }
        struct node *key = read_node(builder, &event, depth);
        if (key == NULL)
            return false;
        if (!next_event(builder, &event)) {
            yaml_tree_free(key);
            return false;
        }
        struct node *value = read_node(builder, &event, depth);
        if (value == NULL) {
            yaml_tree_free(key);
            return false;
        }
        add_entry(builder, mapping, &capacity, key, value);
    }
}

static void take_scalar(struct builder *builder, struct node *node, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    node->kind = NODE_SCALAR;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->text = xstrndup(value, length);
    if (memchr(value, '\0', length) != NULL)
        refuse(builder, node, "a NUL character cannot be part of a setting");
}

static void refuse_decoration(struct builder *builder, struct node *node, const yaml_char_t *anchor,
                              const yaml_char_t *tag)
{
    if (anchor != NULL)
        refuse(builder, node, "anchors (&name) are not supported: write the value out where it is needed");
    if (tag != NULL)
        refuse(builder, node, "tags (!type) are not supported: each setting has its type already");
}

/* Consumes the event. NULL when the file cannot be read any further. */
static struct node *read_node(struct builder *builder, yaml_event_t *event, unsigned depth)
{
    struct node *node = xcalloc(1, sizeof *node);
    node->place = place_of(builder, event->start_mark);
    bool readable = true;
    if (depth > YAML_DEPTH_MAX) {
        refuse(builder, node, "nested too deeply");
        readable = false;
    } else if (event->type == YAML_SCALAR_EVENT) {
        take_scalar(builder, node, event);
        refuse_decoration(builder, node, event->data.scalar.anchor, event->data.scalar.tag);
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        node->kind = NODE_LIST;
        refuse_decoration(builder, node, event->data.sequence_start.anchor, event->data.sequence_start.tag);
        readable = read_items(builder, node, depth + 1);
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        node->kind = NODE_MAPPING;
        refuse_decoration(builder, node, event->data.mapping_start.anchor, event->data.mapping_start.tag);
        readable = read_entries(builder, node, depth + 1);
    } else { /* the one event left is an alias */
        node->kind = NODE_SCALAR;
        node->text = xstrdup("");
        refuse(builder, node, "aliases (*name) are not supported: write the value out");
    }
    yaml_event_delete(event);
    if (readable)
        return node;
    yaml_tree_free(node);
    return NULL;
}

static bool read_stream(struct builder *builder, struct node **root)
{
    for (;;) {
        yaml_event_t event;
        if (!next_event(builder, &event))
            return false;
        switch (event.type) {
        case YAML_STREAM_END_EVENT: yaml_event_delete(&event); return true;
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_END_EVENT: yaml_event_delete(&event); break;
        case YAML_DOCUMENT_START_EVENT:
            if (*root != NULL) {
                diagnostics_error(builder->diagnostics, place_of(builder, event.start_mark),
                                  "a second document: a configuration is a single one");
                yaml_event_delete(&event);
                return false;
            }
            yaml_event_delete(&event);
            break;
        default:
            *root = read_node(builder, &event, 1);
            if (*root == NULL)
                return false;
        }
    }
}

bool yaml_tree_read(const struct source *source, const char *text, size_t length, struct diagnostics *diagnostics,
                    struct node **root)
{
    *root = NULL;
    if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        length -= 3;
    }
    struct builder builder = { .source = source, .diagnostics = diagnostics, .text = text, .length = length };
    if (!check_characters(&builder))
        return false;
    if (!yaml_parser_initialize(&builder.parser)) {
        diagnostics_error(diagnostics, (struct place){ .source = source }, "out of memory");
        return false;
    }
    yaml_parser_set_encoding(&builder.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&builder.parser, (const unsigned char *)text, length);
    bool complete = read_stream(&builder, root);
    yaml_parser_delete(&builder.parser);
    if (!complete) {
        yaml_tree_free(*root);
        *root = NULL;
    }
    return complete;
}

void yaml_tree_free(struct node *node)
{
    if (node == NULL)
        return;
    for (size_t i = 0; i < node->count; i++) {
        if (node->kind == NODE_LIST) {
            yaml_tree_free(node->items[i]);
        } else {
            yaml_tree_free(node->entries[i].key);
            yaml_tree_free(node->entries[i].value);
        }
    }
    free(node->items);
    free(node->entries);
    free(node->text);
    free(node);
}

struct node *node_find(const struct node *mapping, const char *key)
{
    if (mapping == NULL || mapping->kind != NODE_MAPPING)
        return NULL;
    for (size_t i = 0; i < mapping->count; i++) {
        if (strcmp(mapping->entries[i].key->text, key) == 0)
            return mapping->entries[i].value;
    }
    return NULL;
}

bool node_is_null(const struct node *node)
{
    static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
    if (node->kind != NODE_SCALAR || !node->plain || node->failed)
        return false;
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++) {
        if (strcmp(node->text, nulls[i]) == 0)
            return true;
    }
    return false;
}
