#include <stdlib.h>
#include <string.h>

#include "document.h"

#define BLOCK_SIZE ((size_t)64 << 10)
#define ALIGNMENT 16

struct document_block {
    struct document_block *next;
    _Alignas(ALIGNMENT) char bytes[];
};

/* jansson's allocator has no argument of its own: the document that is being parsed, only inside of document_parse. */
static struct document *parsed;

static void *allocate(size_t size)
{
    struct document *document = parsed;
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (size > (size_t)(document->end - document->next)) {
        size_t room = size > BLOCK_SIZE / 4 ? size : BLOCK_SIZE;
        if (document->limit != 0 && room > document->limit - document->used)
            return NULL;
        struct document_block *block = malloc(sizeof *block + room);
        if (block == NULL)
            return NULL;
        document->used += room;
        block->next = document->blocks;
        document->blocks = block;
        if (room == size && room != BLOCK_SIZE)
            return block->bytes; /* one of its own; the block before it may have room yet */
        document->next = block->bytes;
        document->end = block->bytes + room;
    }
    void *memory = document->next;
    document->next += size;
    return memory;
}

static void keep(void *memory)
{
    (void)memory;
}

static void load(struct document *document, const char *text, size_t length)
{
    json_malloc_t their_malloc;
    json_free_t their_free;

    json_get_alloc_funcs(&their_malloc, &their_free);
    parsed = document;
    json_set_alloc_funcs(allocate, keep);
    document->root = json_loadb(text, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, &document->error);
    json_set_alloc_funcs(their_malloc, their_free);
    parsed = NULL;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* The byte after the string whose opening quote is at `at`. */
static const char *string_end(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\' && at + 1 < end)
            at++;
    return at < end ? at + 1 : end;
}

/* Calls `found` for each integer of 19 digits or more, with its sign. Those of 18 are never taken for a placeholder. */
static void each_big(const char *text, size_t length, void (*found)(void *data, size_t offset, size_t size), void *data)
{
    const char *end = text + length;
    for (const char *at = text; at < end;) {
        if (*at == '"') {
            at = string_end(at, end);
        } else if (is_digit(*at) || *at == '-') {
            const char *start = at;
            const char *digits = at += *at == '-';
            while (at < end && is_digit(*at))
                at++;
            bool whole = at == end || (*at != '.' && *at != 'e' && *at != 'E');
            if (whole && at - digits > 18 && *digits != '0')
                found(data, (size_t)(start - text), (size_t)(at - start));
            while (at < end && (is_digit(*at) || *at == '.' || *at == 'e' || *at == 'E' || *at == '+' || *at == '-'))
                at++;
        } else {
            at++;
        }
    }
}

static void count_big(void *data, size_t offset, size_t size)
{
    (void)offset, (void)size;
    ++*(size_t *)data;
}

struct rewriting {
    char *text;
    struct document_big *big;
    size_t count;
};

/* As long as what it stands for, so that the places in errors stay right. */
static void put_placeholder(void *data, size_t offset, size_t size)
{
    struct rewriting *rewriting = data;
    char *at = rewriting->text + offset;
    char digits[20];
    int64_t number = DOCUMENT_BIG_FIRST + (int64_t)rewriting->count;

    for (int i = 19; i > 0; number /= 10)
        digits[--i] = (char)('0' + number % 10);
    memset(at, ' ', size);
    memcpy(at, digits, 19);
    rewriting->big[rewriting->count++] = (struct document_big){ .offset = offset, .length = size };
}

/* jansson has 64 bits for an integer and refuses others: they go through it as placeholders. */
static void load_big(struct document *document, const char *text, size_t length)
{
    size_t count = 0;
    each_big(text, length, count_big, &count);
    if (count == 0)
        return; /* a float */
    parsed = document;
    struct rewriting rewriting = {
        .text = allocate(length),
        .big = allocate(count * sizeof *rewriting.big),
    };
    parsed = NULL;
    if (rewriting.text == NULL || rewriting.big == NULL)
        return;
    memcpy(rewriting.text, text, length);
    each_big(text, length, put_placeholder, &rewriting);
    document->big = rewriting.big;
    document->big_count = rewriting.count;
    load(document, rewriting.text, length);
}

bool document_parse(struct document *document, const char *text, size_t length, size_t limit)
{
    *document = (struct document){ .limit = limit };
    load(document, text, length);
    if (document->root == NULL && json_error_code(&document->error) == json_error_numeric_overflow)
        load_big(document, text, length);
    return document->root != NULL;
}

void document_free(struct document *document)
{
    while (document->blocks != NULL) {
        struct document_block *block = document->blocks;
        document->blocks = block->next;
        free(block);
    }
    *document = (struct document){ 0 };
}
