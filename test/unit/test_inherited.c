#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inherited.h"

#define SELF 4242

static struct inherited given;
static struct strbuf error;

static int tear_down(void **state)
{
    (void)state;
    inherited_free(&given);
    strbuf_free(&error);
    return 0;
}

static struct config_listen listen_on(enum config_listen_type type, const char *address)
{
    return (struct config_listen){ .type = type, .address = (char *)address };
}

/* The descriptors found for an address, in order, as text. */
static const char *found(enum config_listen_type type, const char *address)
{
    static struct strbuf text;
    struct config_listen listen = listen_on(type, address);
    const struct inherited_socket *socket = NULL;
    strbuf_free(&text);
    strbuf_puts(&text, "");
    while ((socket = inherited_find(&given, &listen, socket)) != NULL)
        strbuf_printf(&text, "%s%d", text.length ? "," : "", socket->fd);
    static char copy[64];
    strcpy(copy, text.data ? text.data : "");
    strbuf_free(&text);
    return copy;
}

static void systemd_names_its_sockets(void **state)
{
    (void)state;
    inherited_parse_systemd(&given, "4", "4242", "web:admin:web:", SELF);
    assert_int_equal(given.count, 4);
    assert_null(given.complaint);
    assert_string_equal(found(LISTEN_SYSTEMD, "systemd:web"), "3,5");
    assert_string_equal(found(LISTEN_SYSTEMD, "systemd:admin"), "4");
    assert_string_equal(found(LISTEN_SYSTEMD, "systemd:unknown"), "6");
    assert_string_equal(found(LISTEN_SYSTEMD, "systemd:we"), "");
    assert_string_equal(found(LISTEN_STARTER, "starter:web"), "");
}

static void without_names_all_are_unknown(void **state)
{
    (void)state;
    inherited_parse_systemd(&given, "2", "4242", NULL, SELF);
    assert_string_equal(found(LISTEN_SYSTEMD, "systemd:unknown"), "3,4");
}

static void sockets_for_another_process_are_left_alone(void **state)
{
    (void)state;
    inherited_parse_systemd(&given, "1", "4243", "web", SELF);
    assert_int_equal(given.count, 0);
    struct config_listen listen = listen_on(LISTEN_SYSTEMD, "systemd:web");
    inherited_explain(&given, &listen, &error);
    assert_non_null(strstr(error.data, "systemd:web: systemd has handed over no socket of that name, nor any other"));
    assert_non_null(strstr(error.data, "LISTEN_PID is 4243"));
}

static void nonsense_of_systemd_is_told(void **state)
{
    (void)state;
    static const char *const counts[] = { "", "-1", "x", "1 ", "1025", "99999999999999999999", "0x1", "+1" };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        inherited_parse_systemd(&given, counts[i], "4242", NULL, SELF);
        assert_int_equal(given.count, 0);
        assert_non_null(strstr(given.complaint, "LISTEN_FDS"));
        inherited_free(&given);
    }
    static const char *const pids[] = { "", "4242x", "04242x", "-4242", "99999999999999999999" };
    for (size_t i = 0; i < sizeof pids / sizeof *pids; i++) {
        inherited_parse_systemd(&given, "1", pids[i], NULL, SELF);
        assert_int_equal(given.count, 0);
        assert_non_null(strstr(given.complaint, "LISTEN_PID"));
        inherited_free(&given);
    }
    inherited_parse_systemd(&given, NULL, "4242", "web", SELF);
    inherited_parse_systemd(&given, "1", NULL, "web", SELF);
    inherited_parse_systemd(&given, "0", "4242", "", SELF);
    assert_int_equal(given.count, 0);
    assert_null(given.complaint);
}

static void start_server_names_ports_and_paths(void **state)
{
    (void)state;
    inherited_parse_starter(&given, "9000=4;127.0.0.1:9001=5;[::1]:9001=6;/run/a=b.sock=7");
    assert_int_equal(given.count, 4);
    assert_null(given.complaint);
    assert_string_equal(found(LISTEN_STARTER, "starter:9000"), "4");
    assert_string_equal(found(LISTEN_STARTER, "starter:127.0.0.1:9001"), "5");
    assert_string_equal(found(LISTEN_STARTER, "starter:[::1]:9001"), "6");
    assert_string_equal(found(LISTEN_STARTER, "starter:9001"), "5,6");
    assert_string_equal(found(LISTEN_STARTER, "starter:/run/a=b.sock"), "7");
    assert_string_equal(found(LISTEN_STARTER, "starter:900"), "");
    assert_string_equal(found(LISTEN_STARTER, "starter:01"), "");
    assert_string_equal(found(LISTEN_SYSTEMD, "systemd:9000"), "");
}

static void a_port_alone_goes_before_one_with_an_address(void **state)
{
    (void)state;
    inherited_parse_starter(&given, "127.0.0.1:9000=3;9000=4");
    assert_string_equal(found(LISTEN_STARTER, "starter:9000"), "4");
    assert_string_equal(found(LISTEN_STARTER, "starter:127.0.0.1:9000"), "3");
}

static void a_port_is_not_looked_for_in_paths(void **state)
{
    (void)state;
    inherited_parse_starter(&given, "/run/x:9000=3");
    assert_string_equal(found(LISTEN_STARTER, "starter:9000"), "");
    assert_string_equal(found(LISTEN_STARTER, "starter:/run/x:9000"), "3");
}

static void nonsense_of_start_server_is_told_and_the_rest_is_used(void **state)
{
    (void)state;
    static const char *const wrong[] = { "9000", "9000=", "=4", "9000=x", "9000=-1", "9000=99999999999", ";" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s;9001=5", wrong[i]);
        inherited_parse_starter(&given, text);
        assert_string_equal(found(LISTEN_STARTER, "starter:9001"), "5");
        assert_int_equal(given.count, 1);
        assert_non_null(strstr(given.complaint, "is not ADDRESS=DESCRIPTOR"));
        inherited_free(&given);
    }
    inherited_parse_starter(&given, NULL);
    inherited_parse_starter(&given, "");
    assert_int_equal(given.count, 0);
    assert_null(given.complaint);
}

static void what_there_is_is_named(void **state)
{
    (void)state;
    inherited_parse_systemd(&given, "2", "4242", "a:b", SELF);
    inherited_parse_starter(&given, "9000=5");
    struct config_listen listen = listen_on(LISTEN_SYSTEMD, "systemd:web");
    inherited_explain(&given, &listen, &error);
    assert_string_equal(error.data, "systemd:web: systemd has handed over no socket of that name; there is a, b");
}

static void what_is_taken_is_closed_on_exec(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    char text[64];
    snprintf(text, sizeof text, "9000=%d;9001=%d", pair[0], 100000);
    setenv("SERVER_STARTER_PORT", text, 1);
    inherited_take(&given);
    unsetenv("SERVER_STARTER_PORT");
    assert_int_equal(given.count, 1);
    assert_int_equal(given.items[0].fd, pair[0]);
    assert_int_equal(fcntl(pair[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_non_null(strstr(given.complaint, "9001: descriptor 100000 is not open"));
    close(pair[0]);
    close(pair[1]);
}

static void expect_refused(int fd, const char *why)
{
    struct inherited_socket socket = { .type = LISTEN_SYSTEMD, .name = "x", .fd = fd };
    assert_int_equal(inherited_check(&socket, "systemd:x", &error), -1);
    if (!strstr(error.data, why))
        fail_msg("%s: %s", why, error.data);
    assert_non_null(strstr(error.data, "systemd:x: descriptor "));
    strbuf_free(&error);
    close(fd);
}

static void only_listening_stream_sockets_will_do(void **state)
{
    (void)state;
    expect_refused(open("/dev/null", O_RDWR), "is no socket");
    expect_refused(socket(AF_UNIX, SOCK_DGRAM, 0), "is no stream socket");
    expect_refused(socket(AF_UNIX, SOCK_SEQPACKET, 0), "is no stream socket");
    expect_refused(socket(AF_INET, SOCK_STREAM, 0), "does not listen");

    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(listen(fd, 5), 0);
    struct inherited_socket good = { .type = LISTEN_STARTER, .name = "x", .fd = fd };
    assert_int_equal(inherited_check(&good, "starter:x", &error), 0);
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(systemd_names_its_sockets, tear_down),
        cmocka_unit_test_teardown(without_names_all_are_unknown, tear_down),
        cmocka_unit_test_teardown(sockets_for_another_process_are_left_alone, tear_down),
        cmocka_unit_test_teardown(nonsense_of_systemd_is_told, tear_down),
        cmocka_unit_test_teardown(start_server_names_ports_and_paths, tear_down),
        cmocka_unit_test_teardown(a_port_alone_goes_before_one_with_an_address, tear_down),
        cmocka_unit_test_teardown(a_port_is_not_looked_for_in_paths, tear_down),
        cmocka_unit_test_teardown(nonsense_of_start_server_is_told_and_the_rest_is_used, tear_down),
        cmocka_unit_test_teardown(what_there_is_is_named, tear_down),
        cmocka_unit_test_teardown(what_is_taken_is_closed_on_exec, tear_down),
        cmocka_unit_test_teardown(only_listening_stream_sockets_will_do, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
