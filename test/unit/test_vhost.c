#include "vhost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct config_app apps[] = {
    { .name = "any", .host = "*", .path = "/" },
    { .name = "blog", .host = "blog.example.org", .path = "/" },
    { .name = "blog admin", .host = "blog.example.org", .path = "/admin" },
    { .name = "blog admin log", .host = "blog.example.org", .path = "/admin/log" },
    { .name = "wildcard", .host = "*.example.org", .path = "/" },
    { .name = "wildcard shop", .host = "*.example.org", .path = "/shop" },
    { .name = "longer wildcard", .host = "*.a.example.org", .path = "/" },
    { .name = "api alone", .host = "api.example.org", .path = "/v1" },
    { .name = "v6", .host = "[::1]", .path = "/" },
};

static const char *match(const char *host, const char *path)
{
    long index = vhost_match(apps, sizeof apps / sizeof apps[0], host, path);

    return index == -1 ? NULL : apps[index].name;
}

static void test_exact_host(void **state)
{
    (void)state;
    assert_string_equal(match("blog.example.org", "/"), "blog");
}

static void test_port_case_and_trailing_dot_do_not_count(void **state)
{
    (void)state;
    assert_string_equal(match("blog.example.org:8080", "/"), "blog");
    assert_string_equal(match("BLOG.Example.ORG", "/"), "blog");
    assert_string_equal(match("blog.example.org.", "/"), "blog");
    assert_string_equal(match("Blog.example.org.:80", "/"), "blog");
    assert_string_equal(match("[::1]:9000", "/"), "v6");
    assert_string_equal(match("[::1]", "/"), "v6");
}

static void test_wildcard_takes_the_longest_suffix(void **state)
{
    (void)state;
    assert_string_equal(match("x.example.org", "/"), "wildcard");
    assert_string_equal(match("x.a.example.org", "/"), "longer wildcard");
    assert_string_equal(match("x.y.example.org", "/"), "wildcard");
}

static void test_wildcard_needs_a_label_in_front(void **state)
{
    (void)state;
    assert_string_equal(match("example.org", "/"), "any");
    assert_string_equal(match(".example.org", "/"), "any");
    assert_string_equal(match("xexample.org", "/"), "any");
}

static void test_no_host_goes_to_the_star(void **state)
{
    (void)state;
    assert_string_equal(match(NULL, "/"), "any");
    assert_string_equal(match("", "/"), "any");
    assert_string_equal(match(":80", "/"), "any");
    assert_string_equal(match("[::1", "/"), "any");
    assert_string_equal(match(".", "/"), "any");
}

static void test_overlong_host_goes_to_the_star(void **state)
{
    char host[4096];

    (void)state;
    memset(host, 'a', sizeof host);
    strcpy(host + sizeof host - 20, ".example.org");
    assert_string_equal(match(host, "/"), "any");
}

static void test_longest_path_at_segment_boundaries(void **state)
{
    (void)state;
    assert_string_equal(match("blog.example.org", "/admin"), "blog admin");
    assert_string_equal(match("blog.example.org", "/admin/"), "blog admin");
    assert_string_equal(match("blog.example.org", "/admin/logs"), "blog admin");
    assert_string_equal(match("blog.example.org", "/admin/log/1"), "blog admin log");
    assert_string_equal(match("blog.example.org", "/administrator"), "blog");
    assert_string_equal(match("blog.example.org", "/Admin"), "blog");
}

static void test_next_best_host_when_the_best_has_no_path(void **state)
{
    (void)state;
    assert_string_equal(match("api.example.org", "/v1/x"), "api alone");
    assert_string_equal(match("api.example.org", "/v2"), "wildcard");
    assert_string_equal(match("api.example.org", "/shop/1"), "wildcard shop");
}

static void test_first_of_equals(void **state)
{
    struct config_app twice[] = { { .host = "a", .path = "/" }, { .host = "a", .path = "/" } };

    (void)state;
    assert_int_equal(vhost_match(twice, 2, "a", "/"), 0);
}

static void test_none(void **state)
{
    (void)state;
    assert_int_equal(vhost_match(apps + 1, 3, "other.example.org", "/"), -1);
    assert_int_equal(vhost_match(apps, 0, "blog.example.org", "/"), -1);
    assert_int_equal(vhost_match(apps + 7, 1, "api.example.org", "/"), -1);
}

static void assert_path(const char *uri, const char *expected)
{
    char out[256];

    assert_true(strlen(uri) < sizeof out);
    if (expected == NULL) {
        assert_int_equal(vhost_path(uri, out), -1);
        return;
    }
    assert_int_equal(vhost_path(uri, out), 0);
    assert_string_equal(out, expected);
}

static void test_path_is_decoded(void **state)
{
    (void)state;
    assert_path("/", "/");
    assert_path("/a/b", "/a/b");
    assert_path("/a%20b", "/a b");
    assert_path("/%E3%81%82%2f%2F", "/\xe3\x81\x82//");
    assert_path("/a+b", "/a+b");
    assert_path("/%25%32%35", "/%25");
}

static void test_path_ends_at_the_query(void **state)
{
    (void)state;
    assert_path("/a?b=%zz", "/a");
    assert_path("/?", "/");
    assert_path("/a#b", "/a");
    assert_path("/a%3Fb", "/a?b");
}

static void test_path_keeps_slashes_and_dots(void **state)
{
    (void)state;
    assert_path("//a//b/../c/.", "//a//b/../c/.");
}

static void test_path_of_the_absolute_form(void **state)
{
    (void)state;
    assert_path("http://host/a?b", "/a");
    assert_path("HTTPS://host:80/a%41", "/aA");
    assert_path("http://host", "/");
    assert_path("http://host?x", "/");
    assert_path("/http://host/a", "/http://host/a");
}

static void test_path_refused(void **state)
{
    (void)state;
    assert_path("", NULL);
    assert_path("*", NULL);
    assert_path("?a", NULL);
    assert_path("a/b", NULL);
    assert_path("host:80", NULL);
    assert_path("://x/", NULL);
    assert_path("/%00", NULL);
    assert_path("/a%", NULL);
    assert_path("/a%4", NULL);
    assert_path("/a%4g", NULL);
    assert_path("/%g1", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_host),
        cmocka_unit_test(test_port_case_and_trailing_dot_do_not_count),
        cmocka_unit_test(test_wildcard_takes_the_longest_suffix),
        cmocka_unit_test(test_wildcard_needs_a_label_in_front),
        cmocka_unit_test(test_no_host_goes_to_the_star),
        cmocka_unit_test(test_overlong_host_goes_to_the_star),
        cmocka_unit_test(test_longest_path_at_segment_boundaries),
        cmocka_unit_test(test_next_best_host_when_the_best_has_no_path),
        cmocka_unit_test(test_first_of_equals),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_path_is_decoded),
        cmocka_unit_test(test_path_ends_at_the_query),
        cmocka_unit_test(test_path_keeps_slashes_and_dots),
        cmocka_unit_test(test_path_of_the_absolute_form),
        cmocka_unit_test(test_path_refused),
    };

    return cmocka_run_group_tests_name("vhost", tests, NULL, NULL);
}
