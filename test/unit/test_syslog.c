/* The error log that goes to syslog. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_syslog.h"

#include <cmocka.h>

#include "config.h"
#include "log.h"
#include "logs.h"

static const struct config_log to_syslog = { .level = LOG_LEVEL_DEBUG,
                                             .error = "syslog",
                                             .access = { .path = "none" } };
static const struct config_log to_stderr = { .level = LOG_LEVEL_DEBUG,
                                             .error = "stderr",
                                             .access = { .path = "none" } };

static int set_up(void **state)
{
    struct strbuf error = { 0 };

    (void)state;
    fake_syslog_clear();
    return logs_open(&to_syslog, &error);
}

static int tear_down(void **state)
{
    (void)state;
    logs_close();
    fake_syslog_clear();
    return 0;
}

static void test_who_speaks(void **state)
{
    (void)state;
    assert_int_equal(fake_syslog.opened, 1);
    assert_string_equal(fake_syslog.ident, "cowherd");
    assert_int_equal(fake_syslog.option & FAKE_LOG_PID, FAKE_LOG_PID);
    assert_int_equal(fake_syslog.facility, FAKE_LOG_DAEMON);
}

static void test_levels_are_priorities(void **state)
{
    (void)state;
    log_info("an info");
    log_debug("a %s", "debug");
    log_warnx("a warning");
    errno = ENOENT;
    log_warn("a warning");
    assert_int_equal(errno, ENOENT);
    log_line(LOG_LEVEL_ERROR, NULL, "an error", 8);
    assert_int_equal(fake_syslog.count, 5);
    assert_said(0, FAKE_INFO, "an info");
    assert_said(1, FAKE_DEBUG, "a debug");
    assert_said(2, FAKE_WARNING, "a warning");
    assert_said(3, FAKE_WARNING, "a warning: No such file or directory");
    assert_said(4, FAKE_ERR, "an error");
}

static void judge(int status, void *data)
{
    (void)data;
    bool right = status == 1 && fake_syslog.count == 1 && fake_syslog.entries[0].priority == FAKE_ERR &&
                 strcmp(fake_syslog.entries[0].text, "the end") == 0;
    _exit(right ? 0 : 2);
}

static void test_fatal_is_an_error(void **state)
{
    int status;
    pid_t child = fork();

    (void)state;
    assert_int_not_equal(child, -1);
    if (child == 0) {
        on_exit(judge, NULL);
        fatalx("the %s", "end");
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_what_is_below_the_level_is_not_said(void **state)
{
    (void)state;
    log_set_level(LOG_LEVEL_WARN);
    log_info("no");
    log_debug("no");
    log_line(LOG_LEVEL_INFO, "web/0 17", "no", 2);
    log_warnx("yes");
    assert_int_equal(fake_syslog.count, 1);
    assert_said(0, FAKE_WARNING, "yes");
}

static void test_each_line_of_an_app_is_a_message_with_its_source(void **state)
{
    static const char text[] = "first\nsecond\r\n\n  fourth";

    (void)state;
    log_line(LOG_LEVEL_INFO, "web/2 4711 blog.example.org/", text, sizeof text - 1);
    assert_int_equal(fake_syslog.count, 4);
    assert_said(0, FAKE_INFO, "[web/2 4711 blog.example.org/] first");
    assert_said(1, FAKE_INFO, "[web/2 4711 blog.example.org/] second");
    assert_said(2, FAKE_INFO, "[web/2 4711 blog.example.org/] ");
    assert_said(3, FAKE_INFO, "[web/2 4711 blog.example.org/]   fourth");
}

static void test_nothing_is_a_directive(void **state)
{
    (void)state;
    log_line(LOG_LEVEL_WARN, "we%sb/0 17 100%", "%s%n%d %% 100%", 14);
    log_warnx("%s", "%n%s");
    assert_said(0, FAKE_WARNING, "[we%sb/0 17 100%] %s%n%d %% 100%");
    assert_said(1, FAKE_WARNING, "%n%s");
}

static void test_control_bytes_are_escaped(void **state)
{
    (void)state;
    log_line(LOG_LEVEL_INFO, "web/0 17\n", "a\x1b[31m\0b\tc\x7f", 11);
    assert_said(0, FAKE_INFO, "[web/0 17\\x0A] a\\x1B[31m\\x00b\tc\\x7F");
}

/* A datagram has its bounds: better a part of a line than nothing. */
static void test_a_long_line_is_cut(void **state)
{
    static char text[300000];
    const char *said;

    (void)state;
    memset(text, 'x', sizeof text);
    log_line(LOG_LEVEL_INFO, "web/0 17", text, sizeof text);
    log_line(LOG_LEVEL_INFO, NULL, text, 60000);
    assert_int_equal(fake_syslog.count, 2);
    said = fake_syslog.entries[0].text;
    assert_int_equal(strlen(said), 65536);
    assert_memory_equal(said, "[web/0 17] xxx", 14);
    assert_int_equal(strlen(fake_syslog.entries[1].text), 60000);
}

static void test_reopening(void **state)
{
    struct strbuf error = { 0 };
    int standard_error = dup(STDERR_FILENO), pipe_ends[2];
    char bytes[200] = "";

    (void)state;
    assert_int_equal(pipe(pipe_ends), 0);
    assert_int_equal(logs_open(&to_syslog, &error), 0);
    log_info("still here");
    assert_int_equal(fake_syslog.opened, 2);
    assert_said(0, FAKE_INFO, "still here");

    dup2(pipe_ends[1], STDERR_FILENO);
    assert_int_equal(logs_open(&to_stderr, &error), 0);
    log_info("elsewhere");
    assert_int_equal(logs_open(&to_syslog, &error), 0);
    dup2(standard_error, STDERR_FILENO);
    assert_true(read(pipe_ends[0], bytes, sizeof bytes - 1) > 0);
    assert_non_null(strstr(bytes, "] elsewhere\n"));
    assert_int_equal(fake_syslog.count, 1);

    log_info("and back");
    assert_said(1, FAKE_INFO, "and back");
    assert_string_equal(fake_syslog.ident, "cowherd");
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    close(standard_error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_speaks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_levels_are_priorities, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fatal_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_below_the_level_is_not_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_line_of_an_app_is_a_message_with_its_source, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_is_a_directive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_control_bytes_are_escaped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_long_line_is_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reopening, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
