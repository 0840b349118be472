/* Configurations as text: what each needs at least, and reading them. */
#ifndef COWHERD_CONFIG_FIXTURE_H
#define COWHERD_CONFIG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "config.h"

#define APP "apps: [{root: /srv/www, rack: config.ru}]"
#define LISTEN_AND_APP "listen: /run/web.sock, " APP

static inline struct config *parse(const char *text, struct config_report *report)
{
    return config_parse(text, strlen(text), "test.yml", "/etc/cowherd", report);
}

static inline struct config *parse_good(const char *text)
{
    struct config_report report;
    struct config *config = parse(text, &report);
    if (!config)
        fail_msg("%s\n%s", text, report.errors.items[0]);
    assert_int_equal(report.errors.count, 0);
    config_report_free(&report);
    return config;
}

#endif
