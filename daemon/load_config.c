#include "load_config.h"

#include <stdio.h>

static void print_lines(const struct config_strings *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        fprintf(stderr, "%s\n", lines->items[i]);
}

struct config *load_config(const char *path)
{
    struct config_report report = { 0 };
    struct config *config = config_load(path, &report);
    print_lines(&report.errors);
    config_report_free(&report);
    return config;
}
