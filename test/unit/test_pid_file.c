#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pid_file.h"

static char directory[] = "/tmp/pid-file-XXXXXX";
static char path[64];
static char error[256];

static int set_up(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/pid-file-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/pid", directory);
    error[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pid_file_close();
    unlink(path);
    return rmdir(directory);
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static const char *content(void)
{
    static char text[256];
    FILE *file = fopen(path, "r");

    if (file == NULL)
        return NULL;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void assert_holds(pid_t pid)
{
    char expected[32];

    snprintf(expected, sizeof expected, "%ld\n", (long)pid);
    assert_non_null(content());
    assert_string_equal(content(), expected);
}

static void it_is_written_and_removed(void **state)
{
    struct stat status;

    (void)state;
    assert_int_equal(pid_file_open(path, error, sizeof error), 0);
    assert_holds(getpid());
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 022, 0);
    pid_file_close();
    assert_null(content());
    pid_file_close();
    assert_int_equal(pid_file_open(path, error, sizeof error), 0);
    assert_holds(getpid());
}

static void a_stale_file_is_replaced(void **state)
{
    static const char *const stale[] = { "1\n", "4194303", "", "12345678901\n" };

    (void)state;
    for (size_t i = 0; i < sizeof stale / sizeof stale[0]; i++) {
        write_file(stale[i]);
        assert_int_equal(pid_file_open(path, error, sizeof error), 0);
        assert_holds(getpid());
        pid_file_close();
        assert_null(content());
    }
}

/* A child that holds the file until its pipe is closed, or it is killed. */
static pid_t start_holder(int *end)
{
    int orders[2], answers[2];
    char byte;

    assert_int_equal(pipe(orders) | pipe(answers), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(orders[1]);
        if (pid_file_open(path, error, sizeof error) == -1 || write(answers[1], "x", 1) != 1)
            _exit(1);
        if (read(orders[0], &byte, 1) == 0)
            pid_file_close();
        _exit(0);
    }
    close(orders[0]);
    close(answers[1]);
    assert_int_equal(read(answers[0], &byte, 1), 1);
    close(answers[0]);
    *end = orders[1];
    return pid;
}

static void a_second_instance_is_refused(void **state)
{
    char expected[128];
    int end;
    pid_t holder = start_holder(&end);

    (void)state;
    assert_int_equal(pid_file_open(path, error, sizeof error), -1);
    snprintf(expected, sizeof expected, "%s: process %ld is", path, (long)holder);
    assert_memory_equal(error, expected, strlen(expected));
    pid_file_close();
    assert_holds(holder);
    close(end);
    waitpid(holder, NULL, 0);
    assert_null(content());
    assert_int_equal(pid_file_open(path, error, sizeof error), 0);
}

static void a_killed_instance_leaves_a_stale_file(void **state)
{
    int end;
    pid_t holder = start_holder(&end);

    (void)state;
    kill(holder, SIGKILL);
    waitpid(holder, NULL, 0);
    close(end);
    assert_holds(holder);
    assert_int_equal(pid_file_open(path, error, sizeof error), 0);
    assert_holds(getpid());
}

static void what_is_no_pid_file_is_left_alone(void **state)
{
    static const char *const precious[] = { "root:x:0:0\n", "12 monkeys", "1234567890123456789\n", "12\n34\n" };
    char target[96];

    (void)state;
    for (size_t i = 0; i < sizeof precious / sizeof precious[0]; i++) {
        write_file(precious[i]);
        assert_int_equal(pid_file_open(path, error, sizeof error), -1);
        assert_non_null(strstr(error, path));
        assert_string_equal(content(), precious[i]);
        unlink(path);
    }
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(pid_file_open(path, error, sizeof error), -1);
    unlink(path);
    snprintf(target, sizeof target, "%s/target", directory);
    assert_int_equal(symlink(target, path), 0);
    assert_int_equal(pid_file_open(path, error, sizeof error), -1);
    assert_int_equal(access(target, F_OK), -1);
    unlink(path);
    assert_int_equal(pid_file_open(directory, error, sizeof error), -1);
    assert_int_equal(pid_file_open("/nowhere/at/all", error, sizeof error), -1);
    assert_non_null(strstr(error, "No such file"));
}

static void only_ones_own_file_is_removed(void **state)
{
    int status;

    (void)state;
    assert_int_equal(pid_file_open(path, error, sizeof error), 0);
    /* A forked child has no part in it. */
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        pid_file_close();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_holds(getpid());

    /* Somebody put another file in its place. */
    unlink(path);
    write_file("77\n");
    pid_file_close();
    assert_string_equal(content(), "77\n");
}

static void the_holder_is_known(void **state)
{
    int status;

    (void)state;
    assert_int_equal(pid_file_holder(path), 0);
    write_file("77\n"); /* stale */
    assert_int_equal(pid_file_holder(path), 0);
    assert_int_equal(pid_file_open(path, error, sizeof error), 0);
    assert_int_equal(pid_file_holder(path), getpid());
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(pid_file_holder(path) == getppid() ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    pid_file_close();
    assert_int_equal(pid_file_holder(path), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_written_and_removed),
        TEST(a_stale_file_is_replaced),
        TEST(a_second_instance_is_refused),
        TEST(a_killed_instance_leaves_a_stale_file),
        TEST(what_is_no_pid_file_is_left_alone),
        TEST(only_ones_own_file_is_removed),
        TEST(the_holder_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
