#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "names.h"

/* What is written, and how it is kept; NULL: refused. */
struct example {
    const char *text;
    const char *kept;
};

static void expect(const char *(*parse)(const char *text, char **kept), const struct example *examples)
{
    for (const struct example *example = examples; example->text; example++) {
        char *kept = NULL;
        const char *problem = parse(example->text, &kept);
        if ((problem == NULL) != (example->kept != NULL) || (kept && strcmp(kept, example->kept) != 0))
            fail_msg("\"%s\": kept as %s, %s", example->text, kept ? kept : "nothing", problem ? problem : "fine");
        free(kept);
    }
}

static void reads_hosts(void **state)
{
    (void)state;
    expect(name_parse_host, (const struct example[]){
                                { "blog.example.org", "blog.example.org" },
                                { "Blog.Example.ORG", "blog.example.org" },
                                { "localhost", "localhost" },
                                { "*", "*" },
                                { "*.example.org", "*.example.org" },
                                { "*.org", "*.org" },
                                { "192.0.2.1", "192.0.2.1" },
                                { "[2001:DB8::1]", "[2001:db8::1]" },
                                { "under_score.example", "under_score.example" },
                                { "xn--wgv71a.example", "xn--wgv71a.example" },
                                { "", NULL },
                                { ".", NULL },
                                { "*.", NULL },
                                { "**", NULL },
                                { "a.*.org", NULL },
                                { "*example.org", NULL },
                                { "example.org.", NULL },
                                { "a..b", NULL },
                                { "-a.org", NULL },
                                { "a-.org", NULL },
                                { "a b", NULL },
                                { "example.org:80", NULL },
                                { "http://example.org", NULL },
                                { "[::1", NULL },
                                { "[x]", NULL },
                                { "日本.example", NULL },
                                { "a23456789012345678901234567890123456789012345678901234567890123x.org", NULL },
                                { NULL, NULL },
                            });
}

static void reads_url_paths(void **state)
{
    (void)state;
    expect(name_parse_url_path, (const struct example[]){
                                    { "/", "/" },
                                    { "//", "/" },
                                    { "/wiki", "/wiki" },
                                    { "/wiki/", "/wiki" },
                                    { "/a/b.c", "/a/b.c" },
                                    { "/...", "/..." },
                                    { "/日本", "/日本" },
                                    { "", NULL },
                                    { "wiki", NULL },
                                    { "/a//b", NULL },
                                    { "//a", NULL },
                                    { "/a/./b", NULL },
                                    { "/a/..", NULL },
                                    { "/a?b", NULL },
                                    { "/a#b", NULL },
                                    { "/a b", NULL },
                                    { "/a\nb", NULL },
                                    { NULL, NULL },
                                });
}

static void reads_prefixes(void **state)
{
    (void)state;
    expect(name_parse_prefix, (const struct example[]){
                                  { "127.0.0.1", "127.0.0.1" },
                                  { "127.0.0.1/32", "127.0.0.1" },
                                  { "10.0.0.0/8", "10.0.0.0/8" },
                                  { "0.0.0.0/0", "0.0.0.0/0" },
                                  { "192.168.128.0/17", "192.168.128.0/17" },
                                  { "2001:DB8:0::/32", "2001:db8::/32" },
                                  { "::1/128", "::1" },
                                  { "::/0", "::/0" },
                                  { "10.0.0.1/8", NULL },
                                  { "192.168.128.0/16", NULL },
                                  { "10.0.0.0/33", NULL },
                                  { "10.0.0.0/-1", NULL },
                                  { "10.0.0.0/", NULL },
                                  { "10.0.0.0/08", NULL },
                                  { "10.0.0/8", NULL },
                                  { "/8", NULL },
                                  { "", NULL },
                                  { "::/129", NULL },
                                  { "::g", NULL },
                                  { "localhost", NULL },
                                  { NULL, NULL },
                              });
}

static void reads_listeners(void **state)
{
    static const struct {
        const char *text, *address, *host, *port;
        enum config_listen_type type;
    } good[] = {
        { "/run/web.sock", "/run/web.sock", NULL, NULL, LISTEN_UNIX },
        { "web.sock", "/etc/web.sock", NULL, NULL, LISTEN_UNIX },
        { "./a:b", "/etc/a:b", NULL, NULL, LISTEN_UNIX },
        { "/run/systemd:x", "/run/systemd:x", NULL, NULL, LISTEN_UNIX },
        { "127.0.0.1:9000", "127.0.0.1:9000", "127.0.0.1", "9000", LISTEN_TCP },
        { "localhost:9000", "127.0.0.1:9000", "127.0.0.1", "9000", LISTEN_TCP },
        { "0.0.0.0:65535", "0.0.0.0:65535", "0.0.0.0", "65535", LISTEN_TCP },
        { "[0:0::1]:1", "[::1]:1", "::1", "1", LISTEN_TCP },
        { "systemd:web.socket", "systemd:web.socket", NULL, NULL, LISTEN_SYSTEMD },
        { "starter:9000", "starter:9000", NULL, "9000", LISTEN_STARTER },
        { "starter:127.0.0.1:9000", "starter:127.0.0.1:9000", NULL, "127.0.0.1:9000", LISTEN_STARTER },
    };
    static const char *const bad[] = {
        "",         "9000",      ":9000",    "127.0.0.1:",   "127.0.0.1:0",   "127.0.0.1:65536",  "127.0.0.1:http",
        "*:9000",   "[::1]",     "::1:9000", "[::1]:x",      "[:9000",        "]:9000",           "[]:9000",
        "[a]:9000", "host:9000", "systemd:", "systemd:a:b",  "systemd:a b",   "starter:",         "127.1:9000",
        "/",        ".",         "http://x", "127.0.0.1:+1", "127.0.0.1: 90", "[127.0.0.1]:9000",
    };

    (void)state;
    struct config_listen listen;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_null(name_parse_listen(good[i].text, "/etc", &listen));
        assert_int_equal(listen.type, good[i].type);
        assert_string_equal(listen.address, good[i].address);
        assert_string_equal(listen.host ? listen.host : "none", good[i].host ? good[i].host : "none");
        assert_string_equal(listen.port ? listen.port : "none", good[i].port ? good[i].port : "none");
        listen_free(&listen);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (!name_parse_listen(bad[i], "/", &listen))
            fail_msg("\"%s\" was taken for %s", bad[i], listen.address);
    }
}

static void bounds_socket_paths(void **state)
{
    char path[SOCKET_PATH_MAX + 2];
    struct config_listen listen;

    (void)state;
    memset(path, 'a', sizeof path);
    path[0] = '/';
    path[SOCKET_PATH_MAX + 1] = '\0';
    assert_non_null(name_parse_listen(path, "/", &listen));
    path[SOCKET_PATH_MAX] = '\0';
    assert_null(name_parse_listen(path, "/", &listen));
    listen_free(&listen);
}

static void knows_loopback(void **state)
{
    static const struct {
        const char *text;
        bool loopback;
    } examples[] = {
        { "127.0.0.1:1", true }, { "127.255.0.9:1", true }, { "[::1]:1", true },      { "0.0.0.0:1", false },
        { "[::]:1", false },     { "128.0.0.1:1", false },  { "[::2]:1", false },     { "192.168.0.1:1", false },
        { "10.0.0.1:1", false }, { "[fe80::1]:1", false },  { "126.0.0.1:1", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        struct config_listen listen;
        assert_null(name_parse_listen(examples[i].text, "/", &listen));
        assert_int_equal(listen_is_loopback(&listen), examples[i].loopback);
        listen_free(&listen);
    }
}

static void checks_names(void **state)
{
    (void)state;
    assert_null(name_check_identifier("web-1.example_x"));
    assert_null(name_check_identifier("2024"));
    assert_non_null(name_check_identifier(""));
    assert_non_null(name_check_identifier("-a"));
    assert_non_null(name_check_identifier("."));
    assert_non_null(name_check_identifier("a/b"));
    assert_non_null(name_check_identifier("a234567890123456789012345678901234567890123456789012345678901234"));
    assert_null(name_check_account("www-data"));
    assert_null(name_check_account("_ntp"));
    assert_null(name_check_account("1st"));
    assert_non_null(name_check_account("1000"));
    assert_non_null(name_check_account("a b"));
    assert_non_null(name_check_account("a:b"));
    assert_non_null(name_check_account(""));
    assert_non_null(name_check_account("-x"));
    assert_null(name_check_variable("LANG_1"));
    assert_non_null(name_check_variable("1LANG"));
    assert_non_null(name_check_variable("A=B"));
    assert_non_null(name_check_variable(""));
    assert_null(name_check_file("index.rb"));
    assert_non_null(name_check_file("a/b"));
    assert_non_null(name_check_file(".."));
    assert_non_null(name_check_file(""));
    assert_null(name_check_request("/feed?format=atom"));
    assert_non_null(name_check_request("feed"));
    assert_non_null(name_check_request("/a b"));
    assert_non_null(name_check_request("/a#b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_hosts),     cmocka_unit_test(reads_url_paths),     cmocka_unit_test(reads_prefixes),
        cmocka_unit_test(reads_listeners), cmocka_unit_test(bounds_socket_paths), cmocka_unit_test(knows_loopback),
        cmocka_unit_test(checks_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
