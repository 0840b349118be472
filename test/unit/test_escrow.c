#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "escrow.h"

static void test_copies_come_out_in_order(void **state)
{
    (void)state;
    int escrow = escrow_new(), pipes[3][2];
    char byte;

    assert_int_not_equal(escrow, -1);
    assert_int_equal(escrow_withdraw(escrow), -1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pipe(pipes[i]), 0);
        assert_true(escrow_deposit(escrow, pipes[i][0]));
        close(pipes[i][0]);
        assert_int_equal(write(pipes[i][1], &"abc"[i], 1), 1);
    }
    for (int i = 0; i < 3; i++) {
        int copy = escrow_withdraw(escrow);
        assert_int_equal(read(copy, &byte, 1), 1);
        assert_int_equal(byte, "abc"[i]);
        close(copy);
        close(pipes[i][1]);
    }
    assert_int_equal(escrow_withdraw(escrow), -1);
    close(escrow);
}

static void test_what_is_in_it_outlives_the_depositor(void **state)
{
    (void)state;
    int escrow = escrow_new(), ends[2], status;
    char byte;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    pid_t child = fork();
    if (child == 0) {
        escrow_deposit(escrow, ends[0]);
        kill(getpid(), SIGKILL);
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    int copy = escrow_withdraw(escrow);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(read(copy, &byte, 1), 1);
    close(copy);
    assert_int_equal(read(ends[1], &byte, 1), 0);
    close(ends[1]);
    close(escrow);
}

static void test_a_full_one_refuses(void **state)
{
    (void)state;
    int escrow = escrow_new(), count = 0;

    while (escrow_deposit(escrow, STDIN_FILENO))
        count++;
    assert_in_range(count, 16, 100000);
    int copy = escrow_withdraw(escrow);
    assert_int_not_equal(copy, -1);
    close(copy);
    close(escrow);
}

static void test_strangers_can_not_put_anything_in(void **state)
{
    (void)state;
    struct sockaddr_un address;
    socklen_t size = sizeof address;
    int escrow = escrow_new(), stranger = socket(AF_UNIX, SOCK_DGRAM, 0);

    assert_int_equal(getsockname(escrow, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(sendto(stranger, "x", 1, 0, (struct sockaddr *)&address, size), -1);
    assert_int_equal(errno, EPERM);
    close(stranger);
    close(escrow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_come_out_in_order),
        cmocka_unit_test(test_what_is_in_it_outlives_the_depositor),
        cmocka_unit_test(test_a_full_one_refuses),
        cmocka_unit_test(test_strangers_can_not_put_anything_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
