/*
 * libFuzzer harness: any bytes as a configuration. Either there are errors, each one printable line, or the canonical
 * form is read again as the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void check_lines(const struct config_strings *lines)
{
    for (size_t i = 0; i < lines->count; i++) {
        require(strncmp(lines->items[i], "fuzz.yml:", 9) == 0);
        for (const unsigned char *byte = (const unsigned char *)lines->items[i]; *byte; byte++)
            require(*byte >= 0x20 && *byte != 0x7F);
    }
}

static struct config *parse(const char *text, size_t length)
{
    struct config_report report;
    struct config *config = config_parse(text, length, "fuzz.yml", "/nonexistent", &report);
    require((config == NULL) == (report.errors.count > 0));
    check_lines(&report.errors);
    config_report_free(&report);
    return config;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* what lies on the disk is no part of the input */
    if (memmem(data, size, "include", 7))
        return 0;
    struct config *first = parse((const char *)data, size);
    if (!first)
        return 0;
    struct strbuf text = { 0 }, again = { 0 };
    config_print(first, &text);
    struct config *second = parse(text.data, text.length);
    require(second != NULL);
    config_print(second, &again);
    require(text.length == again.length && memcmp(text.data, again.data, text.length) == 0);
    strbuf_free(&text);
    strbuf_free(&again);
    config_release(second);
    config_release(first);
    return 0;
}
