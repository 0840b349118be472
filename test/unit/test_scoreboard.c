#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scoreboard.h"

static void slots_are_cleared(void **state)
{
    int fd = -1;
    struct scoreboard *board = scoreboard_create(5, &fd);

    (void)state;
    assert_non_null(board);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(board->slots, 5);
    for (uint32_t i = 0; i < 5; i++) {
        struct slot *slot = &board->slot[i];

        assert_int_equal((uintptr_t)slot % 64, 0);
        assert_int_equal(slot->state, SLOT_FREE);
        assert_int_equal(slot->app, SCOREBOARD_NO_APP);
        assert_int_equal(slot->request_fd, -1);
        assert_int_equal(slot->accepted, 0);
        slot->state = SLOT_BUSY;
        slot->gc_slots = 9;
        slot->generation = 2;
        slot->request_fd = 7;
        slot->app = 1;
        scoreboard_clear(slot);
        assert_int_equal(slot->state, SLOT_FREE);
        assert_int_equal(slot->gc_slots, 0);
        assert_int_equal(slot->generation, 0);
        assert_int_equal(slot->request_fd, -1);
        assert_int_equal(slot->app, SCOREBOARD_NO_APP);
    }
    scoreboard_detach(board);
    scoreboard_detach(NULL);
    close(fd);
}

static void a_child_writes_what_the_parent_reads(void **state)
{
    int fd, status;
    struct scoreboard *board = scoreboard_create(2, &fd);

    (void)state;
    assert_non_null(board);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct scoreboard *mine = scoreboard_attach(fd);

        if (mine == NULL || mine == board || mine->slots != 2)
            _exit(1);
        mine->slot[1].completed = 42;
        scoreboard_detach(mine);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(board->slot[1].completed, 42);
    assert_int_equal(board->slot[0].completed, 0);
    scoreboard_detach(board);
    close(fd);
}

static void what_is_no_scoreboard_is_refused(void **state)
{
    int fd, empty = memfd_create("empty", MFD_CLOEXEC);
    struct scoreboard *board = scoreboard_create(3, &fd);

    (void)state;
    assert_null(scoreboard_attach(empty));
    assert_int_equal(errno, EINVAL);
    assert_null(scoreboard_attach(-1));
    assert_int_equal(errno, EBADF);
    board->slots = 4; /* a count that does not fit the size */
    assert_null(scoreboard_attach(fd));
    assert_int_equal(errno, EINVAL);
    assert_int_equal(ftruncate(fd, 0), -1); /* nobody can pull the map away */
    assert_int_equal(board->slot[2].state, SLOT_FREE);

    /* A count that a worker wrote does not decide what is unmapped. */
    char *neighbour = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    board->slots = UINT32_MAX;
    scoreboard_detach(board);
    neighbour[0] = 1;
    munmap(neighbour, 4096);
    close(empty);
    close(fd);
}

static void states_have_names(void **state)
{
    (void)state;
    assert_string_equal(slot_state_name(SLOT_FREE), "free");
    assert_string_equal(slot_state_name(SLOT_DRAINING), "draining");
    assert_string_equal(slot_state_name(SLOT_DRAINING + 1), "?");
    assert_string_equal(slot_state_name(UINT32_MAX), "?");
}

/* The number of slots in the map is written by workers, if they like. */
static void test_adopted_by_its_size(void **state)
{
    int fd;
    struct scoreboard *board = scoreboard_create(3, &fd);

    (void)state;
    assert_non_null(board);
    atomic_store(&board->slot[2].accepted, 7);
    atomic_store(&board->slots, 1000000);
    struct scoreboard *again = scoreboard_adopt(fd, 3);
    assert_non_null(again);
    assert_int_equal(atomic_load(&again->slot[2].accepted), 7);
    scoreboard_detach(again);
    assert_null(scoreboard_adopt(fd, 4));
    assert_int_equal(errno, EINVAL);
    scoreboard_detach(board);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_cleared),
        cmocka_unit_test(a_child_writes_what_the_parent_reads),
        cmocka_unit_test(what_is_no_scoreboard_is_refused),
        cmocka_unit_test(states_have_names),
        cmocka_unit_test(test_adopted_by_its_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
