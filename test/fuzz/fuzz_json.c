/*
 * libFuzzer: any bytes as a JSON text. Either there is an error with a place inside the text, or a tree, which is
 * within the limits and in which every placeholder of a large integer has its digits. `make fuzz` builds and runs it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "document.h"

#define MEMORY_LIMIT ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void check_integer(const struct document *document, const char *text, size_t length, json_int_t number)
{
    if (document->big == NULL || number < DOCUMENT_BIG_FIRST)
        return;
    size_t index = (size_t)(number - DOCUMENT_BIG_FIRST);
    require(index < document->big_count);
    const struct document_big *big = &document->big[index];
    require(big->offset + big->length <= length);
    const char *digits = text + big->offset;
    size_t count = big->length - (*digits == '-');
    digits += *digits == '-';
    require(count >= 19 && strspn(digits, "0123456789") >= count);
}

static void check(const struct document *document, const char *text, size_t length, json_t *value)
{
    if (json_is_integer(value)) {
        check_integer(document, text, length, json_integer_value(value));
    } else if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            check(document, text, length, json_array_get(value, i));
    } else if (json_is_object(value)) {
        for (void *at = json_object_iter(value); at != NULL; at = json_object_iter_next(value, at)) {
            require(json_object_iter_key_len(at) <= length);
            check(document, text, length, json_object_iter_value(at));
        }
    } else if (json_is_string(value)) {
        require(json_string_length(value) <= length);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct document document;
    /* Of exactly this size, so that a byte too far is found; the NUL is for strspn alone. */
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';

    if (document_parse(&document, text, size, MEMORY_LIMIT))
        check(&document, text, size, document.root);
    else
        require(document.error.position >= 0 && (size_t)document.error.position <= size);
    require(document.used <= MEMORY_LIMIT);
    document_free(&document);
    free(text);
    return 0;
}
