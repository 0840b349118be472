#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"

/* A sink that keeps every write(2) apart: a line is one packet. */
static int sink[2];
static char packet[65536];

static int set_up(void **state)
{
    (void)state;
    log_set_level(LOG_LEVEL_DEBUG);
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sink);
}

static int tear_down(void **state)
{
    (void)state;
    log_to_descriptor(STDERR_FILENO);
    close(sink[0]);
    close(sink[1]);
    return 0;
}

static const char *next(void)
{
    ssize_t length = recv(sink[1], packet, sizeof packet - 1, 0);

    if (length < 0) {
        assert_int_equal(errno, EAGAIN);
        return NULL;
    }
    packet[length] = '\0';
    assert_int_equal(strlen(packet), length);
    return packet;
}

/* The line behind its time and level. */
static const char *next_of(const char *level)
{
    const char *line = next();
    size_t length = strlen(level);

    assert_non_null(line);
    assert_int_equal(strncmp(line + 25, level, length), 0);
    assert_int_equal(line[25 + length], ' ');
    return line + 25 + length + 1;
}

static void a_line_has_time_level_and_source(void **state)
{
    regex_t pattern;
    char own[64];

    (void)state;
    log_to_descriptor(sink[0]);
    log_info("pool %s", "web");

    const char *line = next();
    assert_int_equal(regcomp(&pattern,
                             "^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z info "
                             "\\[supervisor [0-9]+\\] pool web\n$",
                             REG_EXTENDED | REG_NOSUB),
                     0);
    assert_int_equal(regexec(&pattern, line, 0, NULL, 0), 0);
    regfree(&pattern);
    snprintf(own, sizeof own, "[supervisor %ld]", (long)getpid());
    assert_non_null(strstr(line, own));
    assert_null(next());

    log_line(LOG_LEVEL_WARN, "web/2 4711 blog.example.org/", "text", 4);
    assert_string_equal(next_of("warn"), "[web/2 4711 blog.example.org/] text\n");
    log_app(LOG_LEVEL_ERROR, "web/2", "text", 4);
    assert_string_equal(next_of("error"), "[web/2] text\n");
}

static void errno_is_added_and_preserved(void **state)
{
    (void)state;
    log_to_descriptor(sink[0]);
    errno = ENOENT;
    log_warn("open");
    assert_int_equal(errno, ENOENT);
    assert_non_null(strstr(next_of("warn"), "] open: No such file or directory\n"));
    log_warnx("plain");
    assert_int_equal(errno, ENOENT);
    assert_non_null(strstr(next_of("warn"), "] plain\n"));

    /* Also when the line can't be written. */
    log_to_descriptor(-1);
    log_info("lost");
    log_line(LOG_LEVEL_INFO, "x", "lost", 4);
    assert_int_equal(errno, ENOENT);
    log_to_descriptor(sink[0]);
    log_info("again");
    assert_non_null(strstr(next_of("warn"), "] 2 lines of this log are lost: Bad file descriptor\n"));
    assert_non_null(strstr(next_of("info"), "] again\n"));
}

static void levels_are_filtered(void **state)
{
    (void)state;
    log_to_descriptor(sink[0]);
    log_set_level(LOG_LEVEL_WARN);
    log_info("no");
    log_debug("no");
    log_line(LOG_LEVEL_INFO, "x", "no", 2);
    assert_null(next());
    log_warnx("yes");
    next_of("warn");
    assert_string_equal(log_level_name(LOG_LEVEL_DEBUG), "debug");
    assert_string_equal(log_level_name((enum log_level)77), "?");
}

static void a_text_can_not_forge_a_line(void **state)
{
    static const char text[] = "a\033[2J\x7f\tb\xc2\x9b\x31m\xc3\xa4\0c\rd";
    static const char forged[] = "one\n2026-01-31T23:59:59.123Z error [supervisor 1] two\r\n\nend\n";

    (void)state;
    log_to_descriptor(sink[0]);
    log_line(LOG_LEVEL_INFO, "app", text, sizeof text - 1);
    assert_string_equal(next_of("info"), "[app] a\\x1B[2J\\x7F\tb\\xC2\\x9B1m\xc3\xa4\\x00c\\x0Dd\n");

    log_line(LOG_LEVEL_INFO, "a\npp", forged, sizeof forged - 1);
    assert_string_equal(next_of("info"), "[a\\x0App] one\n");
    assert_string_equal(next_of("info"), "[a\\x0App] 2026-01-31T23:59:59.123Z error [supervisor 1] two\n");
    assert_string_equal(next_of("info"), "[a\\x0App] \n");
    assert_string_equal(next_of("info"), "[a\\x0App] end\n");
    assert_null(next());

    log_line(LOG_LEVEL_INFO, "app", "", 0);
    assert_string_equal(next_of("info"), "[app] \n");
    log_line(LOG_LEVEL_INFO, "app", NULL, 0);
    assert_string_equal(next_of("info"), "[app] \n");
}

static void long_lines_are_whole(void **state)
{
    (void)state;
    log_to_descriptor(sink[0]);
    for (size_t length = 1900; length < 9000; length += 7) {
        static char text[9001];

        memset(text, 'x', length);
        text[length] = '\0';
        log_info("%s", text);
        const char *line = next();
        assert_int_equal(strspn(strchr(line, ']') + 2, "x"), length);
        assert_null(next());

        /* Every byte grows to four. */
        memset(text, 1, length);
        log_line(LOG_LEVEL_INFO, "a", text, length);
        line = next();
        assert_int_equal(strlen(strchr(line, ']') + 2), 4 * length + 1);
    }
}

/* Sends a record, reads it back as the supervisor does. */
static struct log_record round_trip(enum log_level level, const char *app, const char *text, size_t length)
{
    struct log_record record;

    log_to_supervisor(sink[0]);
    log_app(level, app, text, length);
    assert_non_null(next());

    size_t sent = strlen(packet);
    assert_int_equal(packet[sent - 1], '\n');
    assert_ptr_equal(strchr(packet, '\n'), packet + sent - 1);
    assert_null(next());
    assert_int_equal(log_record_parse(packet, sent - 1, &record), 0);
    return record;
}

static void records_travel(void **state)
{
    struct log_record record = round_trip(LOG_LEVEL_WARN, "blog.example.org/", "one\ntwo\tthree\n", 14);

    (void)state;
    assert_int_equal(record.level, LOG_LEVEL_WARN);
    assert_string_equal(record.app, "blog.example.org/");
    assert_string_equal(record.text, "one\ntwo\tthree");

    record = round_trip(LOG_LEVEL_DEBUG, "", "", 0);
    assert_int_equal(record.level, LOG_LEVEL_DEBUG);
    assert_string_equal(record.app, "");
    assert_string_equal(record.text, "");

    log_info("%d", 42);
    assert_string_equal(next(), "\x1e"
                                "2\x1f"
                                "42\n");
}

static void a_text_can_not_forge_a_record(void **state)
{
    static const char text[] = "x\x1d\x1f\x1e\n\x1e"
                               "0evil\x1fy";
    struct log_record record = round_trip(LOG_LEVEL_INFO, "a\x1f\x1e\x1d\nb", text, sizeof text - 1);

    (void)state;
    assert_string_equal(record.app, "a\\x1F\\x1E\\x1D\\x0Ab");
    assert_string_equal(record.text, "x\\x1D\\x1F\\x1E\n\\x1E0evil\\x1Fy");
    assert_int_equal(record.level, LOG_LEVEL_INFO);
}

static void garbage_is_plain_output(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } cases[] = {
        { "", 0 },
        { "\x1e", 1 },
        { "\x1e\x1f", 2 },
        { "\x1e"
          "2",
          2 },
        { "\x1e"
          "2app and no text",
          17 },
        { "\x1e"
          "4a\x1ft",
          5 },
        { "\x1e"
          "/a\x1ft",
          5 },
        { "\x1e\xff"
          "a\x1ft",
          5 },
        { "\x1e"
          "2a\0b\x1ft",
          7 },
        { "\x1e"
          "2a\x1ft\0",
          6 },
        { "x\x1e"
          "2a\x1ft",
          6 },
        { "plain", 5 },
    };
    struct log_record record;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[32];

        memcpy(line, cases[i].bytes, cases[i].length);
        line[cases[i].length] = '\n';
        assert_int_equal(log_record_parse(line, cases[i].length, &record), -1);
        assert_memory_equal(line, cases[i].bytes, cases[i].length);
        assert_int_equal(line[cases[i].length], '\n');
    }
}

/* Any bytes: an answer, no access outside (this one is for the sanitizers). */
static void random_bytes_are_survived(void **state)
{
    static const char bytes[] = { 0x1e, 0x1f, 0x1d, '\0', '0', '3', '9', 'a' };
    struct log_record record;
    unsigned random = 1;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t length = (size_t)round % 12;
        char *line = malloc(length + 1);

        for (size_t i = 0; i <= length; i++) {
            random = random * 1103515245u + 12345u;
            line[i] = bytes[random >> 16 & 7];
        }
        if (log_record_parse(line, length, &record) == 0) {
            assert_in_range(record.level, LOG_LEVEL_ERROR, LOG_LEVEL_DEBUG);
            assert_true(strlen(record.app) + strlen(record.text) + 3 == length);
        }
        free(line);
    }
}

static void file_size_limit(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A file that may not grow beyond the middle of a line, and then may: every line of it is whole but the one cut. */
static void lines_that_are_lost_are_counted(void **state)
{
    char text[4096];
    int file = memfd_create("log", MFD_CLOEXEC), quiet = open("/dev/null", O_WRONLY);
    int own = dup(STDERR_FILENO);

    (void)state;
    assert_true(file >= 0 && quiet >= 0 && own >= 0);
    signal(SIGXFSZ, SIG_IGN);
    fcntl(file, F_SETFL, O_APPEND);
    log_to_descriptor(file);
    log_info("the first");
    off_t size = lseek(file, 0, SEEK_END);
    dup2(quiet, STDERR_FILENO);
    file_size_limit((rlim_t)size + 30);
    for (int i = 0; i < 10; i++)
        log_info("lost");
    file_size_limit(RLIM_INFINITY);
    dup2(own, STDERR_FILENO);
    log_info("taken");
    log_info("the last");

    ssize_t length = pread(file, text, sizeof text - 1, 0);
    assert_true(length > 0);
    text[length] = '\0';
    char *line = strtok(text, "\n");
    assert_non_null(strstr(line, "] the first"));
    line = strtok(NULL, "\n");
    assert_int_equal(strlen(line), 30);
    line = strtok(NULL, "\n");
    assert_non_null(strstr(line, " warn [supervisor "));
    assert_non_null(strstr(line, "] 10 lines of this log are lost: File too large"));
    assert_non_null(strstr(strtok(NULL, "\n"), "] taken"));
    assert_non_null(strstr(strtok(NULL, "\n"), "] the last"));
    assert_null(strtok(NULL, "\n"));
    close(file);
    close(quiet);
    close(own);
}

static void fatal_exits_with_1(void **state)
{
    int status;

    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        log_to_descriptor(sink[0]);
        errno = EACCES;
        fatal("socket %d", 3);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_non_null(strstr(next_of("error"), "] socket 3: Permission denied\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_has_time_level_and_source), TEST(errno_is_added_and_preserved), TEST(levels_are_filtered),
        TEST(a_text_can_not_forge_a_line),      TEST(long_lines_are_whole),         TEST(records_travel),
        TEST(a_text_can_not_forge_a_record),    TEST(garbage_is_plain_output),      TEST(random_bytes_are_survived),
        TEST(lines_that_are_lost_are_counted),  TEST(fatal_exits_with_1),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
