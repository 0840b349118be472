#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config.h"
#include "config_fixture.h"
#include "xalloc.h"

/* The lines that a text is refused with, exactly. */
static void expect_errors(const char *text, size_t length, const char *const *lines)
{
    struct config_report report;
    struct config *config = config_parse(text, length, "test.yml", "/etc/cowherd", &report);
    assert_null(config);
    for (size_t i = 0; lines[i] || i < report.errors.count; i++) {
        const char *found = i < report.errors.count ? report.errors.items[i] : "no error more";
        const char *expected = lines[i] ? lines[i] : "no error more";
        assert_string_equal(found, expected);
    }
    config_report_free(&report);
}

#define EXPECT_ERRORS(text, ...) expect_errors(text, sizeof(text) - 1, (const char *const[]){ __VA_ARGS__, NULL })

/* The errors of a pool's settings in flow style, which begin at column 15 of line 1. */
#define EXPECT_POOL_ERRORS(settings, ...) EXPECT_ERRORS("pools: {web: {" settings "}}", __VA_ARGS__)

static void refuses_contradictory_times(void **state)
{
    (void)state;
    EXPECT_POOL_ERRORS(
        "timeouts: {request: 20s, hard: 10s}, " LISTEN_AND_APP,
        "test.yml:1:46: pools.web.timeouts.hard: expected no less than timeouts.request, which is 20s, got "
        "\"10s\"");
    EXPECT_POOL_ERRORS("restart: {drain_timeout: 34s}, " LISTEN_AND_APP,
                       "test.yml:1:40: pools.web.restart.drain_timeout: expected no less than timeouts.hard, which is "
                       "35s, got \"34s\"");
    /* one slip, one message */
    EXPECT_POOL_ERRORS("timeouts: {hard: x}, restart: {drain_timeout: 1s}, " LISTEN_AND_APP,
                       "test.yml:1:32: pools.web.timeouts.hard: expected a duration such as 30s or 1h, got \"x\"");
}

static void counts_workers(void **state)
{
    static const struct {
        const char *workers;
        unsigned min, max;
    } examples[] = {
        { "5", 5, 5 },  { "{max: 3}", 3, 3 }, { "{min: 0, max: 8}", 0, 8 }, { "{min: 2}", 2, 2 },
        { "{}", 2, 2 }, { "~", 2, 2 },        { "{spare: 2}", 2, 2 },       { "1", 1, 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        char *text = xasprintf("pools: {web: {workers: %s, " LISTEN_AND_APP "}}", examples[i].workers);
        struct config_report report;
        struct config *config = parse(text, &report);
        assert_non_null(config);
        assert_int_equal(config->pools[0].workers.min, examples[i].min);
        assert_int_equal(config->pools[0].workers.max, examples[i].max);
        config_report_free(&report);
        config_release(config);
        free(text);
    }
    EXPECT_POOL_ERRORS("workers: 0, " LISTEN_AND_APP,
                       "test.yml:1:24: pools.web.workers: expected a whole number from 1 to 1024, got \"0\"");
    EXPECT_POOL_ERRORS("workers: {min: 3}, " LISTEN_AND_APP,
                       "test.yml:1:30: pools.web.workers.min: expected no more than max, which is 2, got 3");
    EXPECT_POOL_ERRORS(
        "workers: [2], " LISTEN_AND_APP,
        "test.yml:1:24: pools.web.workers: expected a whole number from 1 to 1024, or a mapping with min and "
        "max, got a list");
}

static void asks_for_allow_where_others_can_reach(void **state)
{
    (void)state;
    static const char *const fine[] = {
        "listen: 127.0.0.1:9000",
        "listen: '[::1]:9000'",
        "listen: 0.0.0.0:9000, socket: {allow: 10.0.0.0/8}",
        "listen: [a.sock, '[::]:9000'], socket: {allow: ['::1']}",
    };
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        char *text = xasprintf("pools: {web: {%s, " APP "}}", fine[i]);
        config_release(parse_good(text));
        free(text);
    }
    EXPECT_POOL_ERRORS(
        "listen: [a.sock, 0.0.0.0:9000], socket: {allow: []}, " APP,
        "test.yml:1:32: pools.web.listen: other machines can reach 0.0.0.0:9000: socket.allow has to say "
        "which of them may");
    EXPECT_POOL_ERRORS(
        "listen: 192.168.1.1:9000, " APP,
        "test.yml:1:23: pools.web.listen: other machines can reach 192.168.1.1:9000: socket.allow has to "
        "say which of them may");
    EXPECT_POOL_ERRORS("listen: 0.0.0.0:9000, socket: {allow: [x]}, " APP,
                       "test.yml:1:54: pools.web.socket.allow: expected an address or a prefix such as 192.0.2.7, "
                       "10.0.0.0/8 or 2001:db8::/32, got \"x\"");
}

static void refuses_what_is_no_configuration(void **state)
{
    (void)state;
    EXPECT_ERRORS("", "test.yml:1:1: no pools: the file is empty");
    EXPECT_ERRORS("# nothing\n---\n...\n", "test.yml:1:1: no pools: the file is empty");
    EXPECT_ERRORS("{}", "test.yml:1:1: no pools");
    EXPECT_ERRORS("pools:", "test.yml:1:1: no pools");
    EXPECT_ERRORS("pools: {}", "test.yml:1:1: no pools");
    EXPECT_ERRORS("pools: 5", "test.yml:1:8: pools: expected a mapping of names to pools, got \"5\"");
    EXPECT_ERRORS("hello", "test.yml:1:1: expected a mapping of settings, got \"hello\"");
    EXPECT_ERRORS("- a", "test.yml:1:1: expected a mapping of settings, got a list");
    EXPECT_ERRORS("\xFF\xFE"
                  "a\0",
                  "test.yml:1:1: the file is in UTF-16: save it as UTF-8");
    EXPECT_ERRORS("control: \xC3\x28", "test.yml:1:10: invalid UTF-8 (byte 0xC3)");
    EXPECT_ERRORS("a: \xED\xA0\x80", "test.yml:1:4: invalid UTF-8 (byte 0xED)");
    EXPECT_ERRORS("a: \xC0\x80", "test.yml:1:4: invalid UTF-8 (byte 0xC0)");
    EXPECT_ERRORS("a: \xF4\x90\x80\x80", "test.yml:1:4: invalid UTF-8 (byte 0xF4)");
    EXPECT_ERRORS("a: \xE6\x97", "test.yml:1:4: invalid UTF-8 (byte 0xE6)");
    EXPECT_ERRORS("é: \0", "test.yml:1:4: control character U+0000: write it as \"\\x00\"");
    EXPECT_ERRORS("control: \"a\\0b\"\npools: {web: {" LISTEN_AND_APP "}}",
                  "test.yml:1:10: a NUL character cannot be part of a setting");
    EXPECT_ERRORS("pools:\n\tweb: 5\n", "test.yml:2:1: a tab where YAML wants spaces");
    EXPECT_ERRORS("pools: {}\n--- {}\n", "test.yml:2:1: a second document: a configuration is a single one");
    EXPECT_ERRORS(
        "pools: {web: {" LISTEN_AND_APP "}\n",
        "test.yml:2:1: not valid YAML: did not find expected ',' or '}' while parsing a flow mapping (begun at "
        "line 1)");
}

static void refuses_anchors_aliases_and_tags(void **state)
{
    (void)state;
    EXPECT_ERRORS("pools:\n  a: &a {" LISTEN_AND_APP "}\n  b: *a\n  c: {<<: *a, listen: c.sock, user: !x y, " APP "}\n",
                  "test.yml:2:6: anchors (&name) are not supported: write the value out where it is needed",
                  "test.yml:3:6: aliases (*name) are not supported: write the value out",
                  "test.yml:4:7: merge keys (<<) are not supported: write the settings out",
                  "test.yml:4:11: aliases (*name) are not supported: write the value out",
                  "test.yml:4:37: tags (!type) are not supported: each setting has its type already");
    EXPECT_ERRORS("a: [&a [*a, *a, *a]]\n? [b]\n: c\npools: *b\n", "test.yml:1:1: unknown key \"a\"",
                  "test.yml:1:5: anchors (&name) are not supported: write the value out where it is needed",
                  "test.yml:1:9: aliases (*name) are not supported: write the value out",
                  "test.yml:1:13: aliases (*name) are not supported: write the value out",
                  "test.yml:1:17: aliases (*name) are not supported: write the value out",
                  "test.yml:2:3: a key must be a plain word",
                  "test.yml:4:8: aliases (*name) are not supported: write the value out");
}

static void names_the_first_of_duplicates(void **state)
{
    (void)state;
    EXPECT_POOL_ERRORS("user: a, " LISTEN_AND_APP ", user: b, env: {A: 1, B: 2, A: 3}",
                       "test.yml:1:90: pools.web: duplicate key \"user\", first at test.yml:1:15",
                       "test.yml:1:117: pools.web.env: duplicate key \"A\", first at test.yml:1:105");
    EXPECT_ERRORS("control: /run/c\npools:\n  a: {listen: /run/c, " APP "}\n  b: {listen: [b, ./b], " APP "}\n",
                  "test.yml:3:15: pools.a.listen: /run/c is taken: control at test.yml:1:10 has it",
                  "test.yml:4:19: pools.b.listen: /etc/cowherd/b is taken: pools.b.listen at test.yml:4:16 has it");
    EXPECT_POOL_ERRORS("listen: a, apps: [{root: /, rack: a}, {root: /, rack: b, host: '*', path: /}]",
                       "test.yml:1:78: pools.web.apps[1]: */ is taken by the app at test.yml:1:33");
}

static void suggests_the_nearest_key(void **state)
{
    (void)state;
    EXPECT_POOL_ERRORS(
        LISTEN_AND_APP ", recyle: {}, gc: idel, limits: {boddy: 1}",
        "test.yml:1:81: pools.web: unknown key \"recyle\", did you mean \"recycle\"?",
        "test.yml:1:97: pools.web.gc: expected after_request, idle or automatic, got \"idel\": did you mean "
        "\"idle\"?",
        "test.yml:1:112: pools.web.limits: unknown key \"boddy\", did you mean \"body\"?");
}

static void wants_an_error_log(void **state)
{
    (void)state;
    EXPECT_ERRORS("log: {error: none}\npools: {web: {" LISTEN_AND_APP "}}",
                  "test.yml:1:14: log.error: expected a path, stderr or syslog, got \"none\"");
    config_release(parse_good("log: {access: {path: none}}\npools: {web: {" LISTEN_AND_APP "}}"));
}

static void wants_an_app_that_answers(void **state)
{
    (void)state;
    EXPECT_POOL_ERRORS(
        "listen: a, apps: [{root: /}]",
        "test.yml:1:33: pools.web.apps[0]: nothing answers: expected rack, scripts or a hook for access");
    EXPECT_POOL_ERRORS("listen: a, apps: [{rack: a}]",
                       "test.yml:1:33: pools.web.apps[0]: \"root\" is missing: expected a path");
    EXPECT_POOL_ERRORS("listen: a, apps: []", "test.yml:1:32: pools.web.apps: expected an app, got none");
    EXPECT_POOL_ERRORS("listen: a", "test.yml:1:14: pools.web: \"apps\" is missing: expected a list of apps");
    EXPECT_POOL_ERRORS(APP,
                       "test.yml:1:14: pools.web: \"listen\" is missing: expected an address to listen on or a list of "
                       "these");
    config_release(parse_good("pools: {web: {listen: a, apps: [{root: /, hooks: [{event: access, file: a}]}]}}"));
    config_release(parse_good("pools: {web: {listen: a, apps: [{root: /, scripts: {}}]}}"));
}

/* Two apps with these stores. */
#define STORES(first, second)                                                                                          \
    "pools:\n  web:\n    listen: a.sock\n    apps:\n"                                                                  \
    "    - {host: one, root: /srv/one, rack: config.ru, store: " first "}\n"                                           \
    "    - {host: two, root: /srv/two, rack: config.ru, store: " second "}\n"

#define STORES_DIFFER                                                                                                  \
    "test.yml:6:59: pools.web.apps[1].store: expected the same name, file and size as the app at test.yml:5:7 has, "   \
    "whose store it is, too"

static void one_store_is_described_in_one_way(void **state)
{
    static const char *const fine[] = {
        STORES("{}", "{size: 1MiB}"),
        STORES("{name: common}", "{name: common}"),
        STORES("{name: common}", "{name: other, size: 1MiB}"),
        STORES("{name: common}", "{file: values}"),
        STORES("{file: values}", "{file: values, size: 1MiB}"), /* below the root of each */
        STORES("{file: /srv/values}", "{file: /srv/values}"),
        STORES("{name: common, file: /srv/values}", "{name: common, file: /srv/values}"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
        config_release(parse_good(fine[i]));
    EXPECT_ERRORS(STORES("{name: common}", "{name: common, size: 1MiB}"), STORES_DIFFER);
    EXPECT_ERRORS(STORES("{name: common}", "{name: common, file: /srv/values}"), STORES_DIFFER);
    EXPECT_ERRORS(STORES("{file: /srv/values}", "{file: /srv/values, size: 1MiB}"), STORES_DIFFER);
    EXPECT_ERRORS(STORES("{file: /srv/values}", "{name: common, file: /srv/values}"), STORES_DIFFER);
    EXPECT_ERRORS(STORES("{name: a, file: /srv/values}", "{name: b, file: /srv/values}"), STORES_DIFFER);
    EXPECT_POOL_ERRORS("listen: a.sock, apps: [{root: /srv, rack: a.ru, store: {size: 1KiB}}]",
                       "test.yml:1:77: pools.web.apps[0].store.size: expected a size from 64KiB to 1TiB, got \"1KiB\"");
    EXPECT_POOL_ERRORS(
        "listen: a.sock, apps: [{root: /srv, rack: a.ru, store: {name: a b}}]",
        "test.yml:1:77: pools.web.apps[0].store.name: expected a name of letters, digits, _, - and . (at "
        "most 63, a letter, digit or _ first), got \"a b\"");
    EXPECT_POOL_ERRORS("listen: a.sock, apps: [{root: /srv, rack: a.ru, store: {path: x}}]",
                       "test.yml:1:71: pools.web.apps[0].store: unknown key \"path\"");
}

static void keeps_control_characters_out_of_messages(void **state)
{
    (void)state;
    EXPECT_ERRORS("pools: {web: {" LISTEN_AND_APP "}}\n\"a\\nb\\e[31m\\x9b\": 1\n",
                  "test.yml:2:1: unknown key \"a\\x0ab\\x1b[31m\\u009b\"");
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Repeats `part` until the text has `length` bytes; there has to be an error, and soon. */
static void expect_refused(const char *prefix, const char *part, size_t length)
{
    struct strbuf text = { 0 };
    strbuf_puts(&text, prefix);
    while (text.length < length)
        strbuf_puts(&text, part);
    double start = seconds();
    struct config_report report;
    struct config *config = config_parse(text.data, text.length, "big.yml", "/", &report);
    assert_null(config);
    assert_in_range(report.errors.count, 1, 501);
    if (seconds() - start > 20)
        fail_msg("%s%s...: %.1f s", prefix, part, seconds() - start);
    config_report_free(&report);
    strbuf_free(&text);
}

static void survives_big_and_deep_texts(void **state)
{
    static const char *const parts[][2] = {
        { "", "[" },
        { "", "{a: " },
        { "", "- " },
        { "", "? " },
        { "", "a: b\n" },
        { "", "k\n" },
        { "a: \"", "\\n" },
        { "pools: [", "a, " },
        { "", "#" },
        { "", "- a\n" },
        { "pools:\n", "  a: {listen: x, apps: [{root: /, rack: a}]}\n" },
        { "a: |\n", " x\n" },
        { "pools: {a: {apps: [", "{}," },
    };

    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        expect_refused(parts[i][0], parts[i][1], 300000);
}

static void caps_a_flood_of_errors(void **state)
{
    (void)state;
    struct strbuf text = { 0 };
    for (int i = 0; i < 700; i++)
        strbuf_printf(&text, "key%d: 1\n", i);
    strbuf_puts(&text, "pools: {web: {" LISTEN_AND_APP "}}\n");
    struct config_report report;
    assert_null(parse(text.data, &report));
    assert_int_equal(report.errors.count, 501);
    assert_string_equal(report.errors.items[499], "test.yml:500:1: unknown key \"key499\"");
    assert_string_equal(report.errors.items[500], "test.yml: 200 errors more");
    config_report_free(&report);
    strbuf_free(&text);
}

static void bounds_nesting(void **state)
{
    (void)state;
    EXPECT_ERRORS("a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
                  "test.yml:1:35: nested too deeply");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_contradictory_times),
        cmocka_unit_test(counts_workers),
        cmocka_unit_test(asks_for_allow_where_others_can_reach),
        cmocka_unit_test(refuses_what_is_no_configuration),
        cmocka_unit_test(refuses_anchors_aliases_and_tags),
        cmocka_unit_test(names_the_first_of_duplicates),
        cmocka_unit_test(suggests_the_nearest_key),
        cmocka_unit_test(wants_an_error_log),
        cmocka_unit_test(wants_an_app_that_answers),
        cmocka_unit_test(one_store_is_described_in_one_way),
        cmocka_unit_test(keeps_control_characters_out_of_messages),
        cmocka_unit_test(survives_big_and_deep_texts),
        cmocka_unit_test(caps_a_flood_of_errors),
        cmocka_unit_test(bounds_nesting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
