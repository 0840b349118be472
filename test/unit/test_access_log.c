#include "access_log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "fake_request.h"
#include "fake_syslog.h"

#include <cmocka.h>

#include "app.h"
#include "log.h"

static struct request_transport transport;
static struct request request;
static int log_fd;
static char written[65536];

static int set_up(void **state)
{
    (void)state;
    setenv("TZ", "Asia/Tokyo", 1);
    tzset();
    request = (struct request){ .transport = &transport, .params = transport.params, .status = 200, .body_sent = 12 };
    log_fd = memfd_create("access", MFD_CLOEXEC);
    fcntl(log_fd, F_SETFL, O_APPEND);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_clear(&transport);
    fake_syslog_clear();
    access_log_open(log_fd, false, ACCESS_COMMON, "pool", 1);
    access_log_replace(-1); /* closes log_fd */
    return 0;
}

/* The text in the log without its time, which has to look like one. */
static const char *log_text(char open, char close)
{
    ssize_t length = pread(log_fd, written, sizeof written - 1, 0);

    assert_true(length > 0);
    written[length] = '\0';
    if (open != '\0') {
        char *from = strchr(written, open), *to = strchr(written, close);
        assert_non_null(from);
        assert_non_null(to);
        memmove(from + 1, to, strlen(to) + 1);
    }
    return written;
}

static void typical(void)
{
    fake_param(&transport, "REMOTE_ADDR=192.0.2.7");
    fake_param(&transport, "REQUEST_METHOD=GET");
    fake_param(&transport, "REQUEST_URI=/a?b=c");
    fake_param(&transport, "SERVER_PROTOCOL=HTTP/1.1");
    fake_param(&transport, "HTTP_HOST=example.org");
    fake_param(&transport, "HTTP_REFERER=http://example.net/");
    fake_param(&transport, "HTTP_USER_AGENT=Test/1.0 (x)");
}

static void test_off(void **state)
{
    (void)state;
    access_log_open(-1, false, ACCESS_COMMON, "pool", 1);
    assert_false(access_log_enabled());
    access_log_write(&request, 0);
    access_log_replace(log_fd);
    assert_true(access_log_enabled());
}

static void test_common(void **state)
{
    (void)state;
    typical();
    access_log_open(log_fd, false, ACCESS_COMMON, "pool", 1);
    access_log_write(&request, 0);
    assert_string_equal(log_text('[', ']'), "192.0.2.7 - - [] \"GET /a?b=c HTTP/1.1\" 200 12\n");
}

static void test_time(void **state)
{
    (void)state;
    char before[64], after[64];
    time_t now = time(NULL);
    struct tm local;

    access_log_open(log_fd, false, ACCESS_COMMON, "pool", 1);
    localtime_r(&now, &local);
    strftime(before, sizeof before, "[%d/%b/%Y:%H:%M:%S +0900]", &local);
    access_log_write(&request, 0);
    now = time(NULL);
    localtime_r(&now, &local);
    strftime(after, sizeof after, "[%d/%b/%Y:%H:%M:%S +0900]", &local);
    log_text('\0', '\0');
    assert_true(strstr(written, before) != NULL || strstr(written, after) != NULL);
}

static void test_combined(void **state)
{
    (void)state;
    typical();
    fake_param(&transport, "REMOTE_USER=alice");
    access_log_open(log_fd, false, ACCESS_COMBINED, "pool", 1);
    request.status = 304;
    request.body_sent = 0;
    access_log_write(&request, 0);
    access_log_write(&request, 0);
    log_text('[', ']'); /* of the first line */
    assert_non_null(strstr(written, "192.0.2.7 - alice [] \"GET /a?b=c HTTP/1.1\" 304 - \"http://example.net/\" "
                                    "\"Test/1.0 (x)\"\n192.0.2.7 - alice ["));
}

static void test_nothing_known(void **state)
{
    (void)state;
    access_log_open(log_fd, false, ACCESS_COMBINED, "pool", 1);
    access_log_write(&request, 0);
    assert_string_equal(log_text('[', ']'), "- - - [] \"- - -\" 200 12 \"-\" \"-\"\n");
}

/* Nothing that a client sends ends a line or a field. */
static void test_escapes(void **state)
{
    (void)state;
    fake_param(&transport, "REMOTE_USER=a b\"");
    fake_param(&transport, "REQUEST_METHOD=G\"ET");
    fake_param(&transport, "REQUEST_URI=/\n1.2.3.4 - - \\ \x1b[31m\x7f\xc3\xa9");
    fake_param(&transport, "HTTP_USER_AGENT=\" 200 0");
    access_log_open(log_fd, false, ACCESS_COMBINED, "pool", 1);
    access_log_write(&request, 0);
    assert_string_equal(log_text('[', ']'),
                        "- - a\\x20b\\\" [] \"G\\\"ET /\\x0a1.2.3.4 - - \\\\ \\x1b[31m\\x7f\\xc3\\xa9 -\" 200 12 "
                        "\"-\" \"\\\" 200 0\"\n");
}

static void test_json(void **state)
{
    (void)state;
    struct config_app config = { .name = "example.org/" };
    struct app app = { .config = &config };

    typical();
    fake_param(&transport, "REMOTE_USER=\"\n");
    request.app = &app;
    request.received_ns = 1000000;
    access_log_open(log_fd, false, ACCESS_JSON, "web", 3);
    access_log_write(&request, 3500000);
    log_text('\0', '\0');

    char *text = strchr(written, ',');
    assert_non_null(text);
    assert_int_equal(strncmp(written, "{\"time\":\"20", 11), 0);
    assert_int_equal(text[-2], 'Z');
    assert_string_equal(text, ",\"host\":\"example.org\",\"remote_addr\":\"192.0.2.7\",\"method\":\"GET\","
                              "\"uri\":\"/a?b=c\",\"protocol\":\"HTTP/1.1\",\"status\":200,\"bytes\":12,"
                              "\"duration_us\":2500,\"referer\":\"http://example.net/\","
                              "\"user_agent\":\"Test/1.0 (x)\",\"pool\":\"web\",\"worker\":3,"
                              "\"app\":\"example.org/\"}\n");
}

static void test_json_with_nothing_known(void **state)
{
    (void)state;
    access_log_open(log_fd, false, ACCESS_JSON, "web", 3);
    access_log_write(&request, 0);
    log_text('\0', '\0');
    assert_non_null(strstr(written, "\"host\":null,\"remote_addr\":null"));
    assert_non_null(strstr(written, "\"app\":null}\n"));
}

static void test_replaced(void **state)
{
    (void)state;
    int old = memfd_create("old", MFD_CLOEXEC);

    access_log_open(old, false, ACCESS_COMMON, "pool", 1);
    access_log_write(&request, 0);
    access_log_replace(log_fd);
    assert_int_equal(fcntl(old, F_GETFD), -1);
    access_log_write(&request, 0);
    assert_string_equal(log_text('[', ']'), "- - - [] \"- - -\" 200 12\n");
}

static void file_size_limit(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The file may not grow beyond the middle of a line. How many are lost is told once they are taken again for a second.
 */
static void test_log_that_cannot_be_written(void **state)
{
    int told[2];
    char text[1024] = "";

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(pipe2(told, O_CLOEXEC | O_NONBLOCK), 0);
    log_to_supervisor(told[1]);
    access_log_open(log_fd, false, ACCESS_COMMON, "pool", 1);
    file_size_limit(5);
    for (int i = 0; i < 3; i++)
        access_log_write(&request, 1);
    file_size_limit(RLIM_INFINITY);
    assert_true(read(told[0], text, sizeof text - 1) > 0);
    assert_non_null(strstr(text, "the access log can't be written: File too large"));

    access_log_write(&request, 2);
    assert_int_equal(read(told[0], text, sizeof text - 1), -1);
    access_log_write(&request, 2 + (int64_t)1001000000);
    memset(text, 0, sizeof text);
    assert_true(read(told[0], text, sizeof text - 1) > 0);
    assert_non_null(strstr(text, "3 lines of the access log are lost: File too large"));
    log_text('\0', '\0');
    assert_int_equal(strncmp(written, "- - -\n- - - [", 13), 0);
    assert_ptr_equal(strchr(strchr(strchr(written, '\n') + 1, '\n') + 1, '\n'), written + strlen(written) - 1);

    access_log_replace(open("/dev/full", O_WRONLY | O_CLOEXEC));
    access_log_write(&request, 3);
    memset(text, 0, sizeof text);
    assert_true(read(told[0], text, sizeof text - 1) > 0);
    access_log_end();
    assert_true(read(told[0], text, sizeof text - 1) > 0);
    assert_non_null(strstr(text, "1 line of the access log is lost: No space left on device"));
    log_fd = memfd_create("access", MFD_CLOEXEC);
    access_log_replace(log_fd);
    close(told[0]);
    close(told[1]);
    log_to_descriptor(STDERR_FILENO);
}

static void test_long_line_is_not_kept(void **state)
{
    (void)state;
    char *uri = malloc(60000);

    memset(uri, 'x', 60000);
    memcpy(uri, "REQUEST_URI=", 12);
    uri[59999] = '\0';
    fake_param(&transport, uri);
    access_log_open(log_fd, false, ACCESS_COMMON, "pool", 1);
    access_log_write(&request, 0);
    assert_int_equal(strlen(log_text('[', ']')), 60000 - 13 + strlen("- - - [] \"-  -\" 200 12\n"));
    free(uri);
}

static void test_syslog(void **state)
{
    (void)state;
    typical();
    access_log_open(-1, true, ACCESS_JSON, "web", 3);
    assert_true(access_log_enabled());
    assert_int_equal(fake_syslog.opened, 1);
    assert_string_equal(fake_syslog.ident, "cowherd");
    assert_int_equal(fake_syslog.option & FAKE_LOG_PID, FAKE_LOG_PID);
    assert_int_equal(fake_syslog.facility, FAKE_LOG_DAEMON);
    access_log_write(&request, 0);
    access_log_write(&request, 0);
    assert_int_equal(fake_syslog.count, 2);
    assert_int_equal(fake_syslog.entries[0].priority, FAKE_INFO);
    assert_null(strchr(fake_syslog.entries[0].text, '\n'));
    assert_non_null(strstr(fake_syslog.entries[0].text, "\"host\":\"example.org\",\"remote_addr\":\"192.0.2.7\""));
}

static void test_nothing_of_a_client_is_a_directive_for_syslog(void **state)
{
    (void)state;
    fake_param(&transport, "REQUEST_METHOD=%n");
    fake_param(&transport, "REQUEST_URI=/%s%n%d%%\n");
    access_log_open(-1, true, ACCESS_COMMON, "pool", 1);
    access_log_write(&request, 0);
    assert_non_null(strstr(fake_syslog.entries[0].text, "] \"%n /%s%n%d%%\\x0a -\" 200 12"));
}

static void test_long_line_is_cut_for_syslog(void **state)
{
    static char uri[30000] = "REQUEST_URI=";

    (void)state;
    memset(uri + 12, '\x01', sizeof uri - 13); /* four bytes each */
    fake_param(&transport, uri);
    access_log_open(-1, true, ACCESS_COMMON, "pool", 1);
    access_log_write(&request, 0);
    assert_int_equal(strlen(fake_syslog.entries[0].text), 65536);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_off),
        TEST(test_common),
        TEST(test_time),
        TEST(test_combined),
        TEST(test_nothing_known),
        TEST(test_escapes),
        TEST(test_json),
        TEST(test_json_with_nothing_known),
        TEST(test_replaced),
        TEST(test_log_that_cannot_be_written),
        TEST(test_long_line_is_not_kept),
        TEST(test_syslog),
        TEST(test_nothing_of_a_client_is_a_directive_for_syslog),
        TEST(test_long_line_is_cut_for_syslog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
