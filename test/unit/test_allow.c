#include "allow.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#define LIST(...) ((char *[]){ __VA_ARGS__ }), sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *)

static struct allow_list *list_of(char *const *items, size_t count)
{
    const char *wrong = NULL;
    struct allow_list *list = allow_list_new(items, count, &wrong);

    if (list == NULL)
        fail_msg("\"%s\" was refused", wrong);
    return list;
}

static bool matches(const struct allow_list *list, const char *address)
{
    struct sockaddr_in ipv4 = { .sin_family = AF_INET };
    struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6 };

    if (inet_pton(AF_INET, address, &ipv4.sin_addr) == 1)
        return allow_list_matches(list, (struct sockaddr *)&ipv4);
    assert_int_equal(inet_pton(AF_INET6, address, &ipv6.sin6_addr), 1);
    return allow_list_matches(list, (struct sockaddr *)&ipv6);
}

static void test_empty_allows_everyone(void **state)
{
    (void)state;
    struct allow_list *list = list_of(NULL, 0);

    assert_true(matches(list, "192.0.2.1"));
    assert_true(matches(list, "2001:db8::1"));
    allow_list_free(list);
}

static void test_addresses(void **state)
{
    (void)state;
    struct allow_list *list = list_of(LIST("127.0.0.1", "2001:db8::1"));

    assert_true(matches(list, "127.0.0.1"));
    assert_true(matches(list, "::ffff:127.0.0.1"));
    assert_false(matches(list, "127.0.0.2"));
    assert_false(matches(list, "::127.0.0.1"));
    assert_true(matches(list, "2001:db8::1"));
    assert_false(matches(list, "2001:db8::2"));
    assert_false(matches(list, "::1"));
    allow_list_free(list);
}

static void test_prefixes(void **state)
{
    (void)state;
    struct allow_list *list = list_of(LIST("10.0.0.0/8", "192.0.2.128/25", "198.51.100.77/30", "2001:db8:8000::/33"));

    assert_true(matches(list, "10.255.1.2"));
    assert_false(matches(list, "11.0.0.0"));
    assert_true(matches(list, "::ffff:10.1.1.1"));
    assert_true(matches(list, "192.0.2.128"));
    assert_true(matches(list, "192.0.2.255"));
    assert_false(matches(list, "192.0.2.127"));
    assert_true(matches(list, "198.51.100.76")); /* bits behind the prefix don't count */
    assert_false(matches(list, "198.51.100.80"));
    assert_true(matches(list, "2001:db8:ffff::1"));
    assert_false(matches(list, "2001:db8:7fff::1"));
    allow_list_free(list);
}

static void test_whole_families(void **state)
{
    (void)state;
    struct allow_list *ipv4 = list_of(LIST("0.0.0.0/0"));
    struct allow_list *ipv6 = list_of(LIST("::/0"));
    struct allow_list *mapped = list_of(LIST("::ffff:10.0.0.0/104"));

    assert_true(matches(ipv4, "203.0.113.9"));
    assert_true(matches(ipv4, "::ffff:203.0.113.9"));
    assert_false(matches(ipv4, "2001:db8::1"));
    assert_true(matches(ipv6, "2001:db8::1"));
    assert_false(matches(ipv6, "203.0.113.9"));
    assert_false(matches(ipv6, "::ffff:203.0.113.9"));
    assert_true(matches(mapped, "10.2.3.4"));
    assert_false(matches(mapped, "11.2.3.4"));
    allow_list_free(ipv4);
    allow_list_free(ipv6);
    allow_list_free(mapped);
}

static void test_unix_is_always_allowed(void **state)
{
    (void)state;
    struct allow_list *list = list_of(LIST("127.0.0.1"));
    struct sockaddr_un client = { .sun_family = AF_UNIX };

    assert_true(allow_list_matches(list, (struct sockaddr *)&client));
    allow_list_free(list);
}

static void test_wrong_entries(void **state)
{
    (void)state;
    char *wrong_entries[] = { "",
                              "localhost",
                              "10.0.0",
                              "10.0.0.1/33",
                              "10.0.0.1/",
                              "10.0.0.1/x",
                              "10.0.0.1/-1",
                              "10.0.0.1/08x",
                              "::1/129",
                              "::1/1234",
                              "[::1]",
                              "10.0.0.1/8/8",
                              " 10.0.0.1",
                              "fe80::1%eth0",
                              "1234567890123456789012345678901234567890123456789" };

    for (size_t i = 0; i < sizeof wrong_entries / sizeof wrong_entries[0]; i++) {
        char *items[] = { "127.0.0.1", wrong_entries[i] };
        const char *wrong = NULL;
        if (allow_list_new(items, 2, &wrong) != NULL)
            fail_msg("\"%s\" was taken", wrong_entries[i]);
        assert_ptr_equal(wrong, wrong_entries[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_allows_everyone),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_whole_families),
        cmocka_unit_test(test_unix_is_always_allowed),
        cmocka_unit_test(test_wrong_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
