/* libFuzzer: any bytes as a template: the code has its lines, no control character that would end it, and closes each
 * literal. */
#include <string.h>

#include "erb_translate.h"
#include "require.h"

struct counts {
    size_t lines, length;
};

static void count(void *data, const char *code, size_t length)
{
    struct counts *counts = data;

    for (size_t i = 0; i < length; i++)
        counts->lines += code[i] == '\n';
    counts->length += length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct erb_options options = { .percent = data[0] & 1,
                                   .trim_ends = data[0] & 2,
                                   .trim_lines = data[0] & 4,
                                   .trim_dashes = data[0] & 8,
                                   .escape = data[0] & 16,
                                   .variable = "out" };
    struct counts counts = { 0 };
    size_t lines = 0;
    size_t line = erb_translate((const char *)data + 1, size - 1, &options, count, &counts);

    for (size_t i = 1; i < size; i++)
        lines += data[i] == '\n';
    if (line > 0) {
        require(line <= lines + 1);
        return 0;
    }
    /* A % line has a line break even when it is the last. */
    require(counts.lines == lines || (options.percent && counts.lines == lines + 1));
    require(counts.length <= size * 64);
    return 0;
}
