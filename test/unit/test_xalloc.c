#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "strbuf.h"
#include "xalloc.h"

#define MUCH ((size_t)64 << 20)

static void allow(rlim_t bytes)
{
    struct rlimit limit;

    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_AS, &limit);
}

static void allow_all(int number)
{
    (void)number;
    allow(RLIM_INFINITY);
}

/* In a child with no memory left: its exit status, and what it logged. */
static int in_need(int (*body)(void), char *said, size_t size)
{
    int ends[2], status;

    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        log_to_descriptor(ends[1]);
        _exit(body());
    }
    close(ends[1]);
    size_t length = 0;
    for (ssize_t got; (got = read(ends[0], said + length, size - 1 - length)) > 0;)
        length += (size_t)got;
    said[length] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int ask_for_much(void)
{
    allow(0);
    free(xmalloc(MUCH));
    return 0;
}

static void running_out_of_memory_is_fatal(void **state)
{
    char said[4096];

    (void)state;
    assert_int_equal(in_need(ask_for_much, said, sizeof said), 1);
    assert_non_null(strstr(said, "out of memory (1 times 67108864 bytes)"));
}

static int ask_for_much_with_patience(void)
{
    const struct itimerval later = { .it_value = { .tv_usec = 200000 } };

    xalloc_be_patient();
    signal(SIGALRM, allow_all);
    allow(0);
    setitimer(ITIMER_REAL, &later, NULL);
    char *memory = xmalloc(MUCH);
    memset(memory, 1, MUCH);
    free(memory);
    xalloc_be_patient();
    return 7;
}

static void who_is_patient_waits(void **state)
{
    char said[4096];

    (void)state;
    assert_int_equal(in_need(ask_for_much_with_patience, said, sizeof said), 7);
    assert_non_null(strstr(said, "out of memory (1 times 67108864 bytes): the reserve is used\n"));
    assert_non_null(strstr(said, "there is memory again\n"));
}

/* Bytes of address space, and those of them that are resident and of no file. */
static void measure(unsigned long *taken, unsigned long *own)
{
    unsigned long resident, shared, page = (unsigned long)sysconf(_SC_PAGESIZE);
    char pages[64] = "";
    int fd = open("/proc/self/statm", O_RDONLY);

    assert_true(read(fd, pages, sizeof pages - 1) > 0);
    close(fd);
    assert_int_equal(sscanf(pages, "%lu %lu %lu", taken, &resident, &shared), 3);
    *taken *= page;
    *own = (resident - shared) * page;
}

static unsigned long own(void)
{
    unsigned long taken, own;

    measure(&taken, &own);
    return own;
}

static int use_the_reserve(void)
{
    struct strbuf text = { 0 };

    unsigned long taken, own;

    xalloc_be_patient();
    measure(&taken, &own);
    allow(taken);
    strbuf_fill(&text, 'x', 300000);
    int status = text.length == 300000 ? 7 : 1;
    strbuf_free(&text);
    return status;
}

static void a_reserve_bridges_what_is_small(void **state)
{
    char said[4096];

    (void)state;
    assert_int_equal(in_need(use_the_reserve, said, sizeof said), 7);
    assert_non_null(strstr(said, "bytes): the reserve is used\n"));
    assert_null(strstr(said, "waiting"));
}

static int ask_for_the_absurd(void)
{
    xalloc_be_patient();
    free(xcalloc(SIZE_MAX / 2, 16));
    return 7;
}

static void the_absurd_is_not_waited_for(void **state)
{
    char said[4096];

    (void)state;
    assert_int_equal(in_need(ask_for_the_absurd, said, sizeof said), 1);
    assert_non_null(strstr(said, "out of memory"));
}

/* One that was larger before would be glibc's reason to take this one from the heap. */
static int have_large_ones(void)
{
    xalloc_keep_little();
    free(xmalloc(MUCH / 32));
    size_t before = mallinfo2().hblks;
    char *large = xmalloc(MUCH / 64);
    int status = mallinfo2().hblks == before + 1 ? 7 : 1;
    free(large);
    return status;
}

static void what_is_large_has_a_mapping_of_its_own(void **state)
{
    char said[4096];

    (void)state;
    assert_int_equal(in_need(have_large_ones, said, sizeof said), 7);
}

static int leave_holes(void)
{
    static char *blocks[MUCH / 16 / 1000];
    const size_t count = sizeof blocks / sizeof *blocks;

    xalloc_keep_little();
    size_t first = own();
    for (size_t i = 0; i < count; i++)
        memset(blocks[i] = xmalloc(1000), 1, 1000);
    /* The last one keeps the heap as long as it is. */
    for (size_t i = 0; i < count - 1; i++)
        free(blocks[i]);
    size_t full = own();
    xalloc_give_back();
    size_t left = own();
    free(blocks[count - 1]);
    return full > first + MUCH / 20 && left < first + MUCH / 200 ? 7 : 1;
}

static void pages_on_which_nothing_lives_go_back(void **state)
{
    char said[4096];

    (void)state;
    assert_int_equal(in_need(leave_holes, said, sizeof said), 7);
}

static void nothing_is_something(void **state)
{
    (void)state;
    void *none = xmalloc(0), *zeros = xcalloc(0, 7);
    char *text = xasprintf("%s %d", "pool", 3);

    assert_non_null(none);
    assert_non_null(zeros);
    assert_string_equal(text, "pool 3");
    free(none);
    free(zeros);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
    /* A sanitizer has memory of its own. */
#ifndef __SANITIZE_ADDRESS__
        cmocka_unit_test(running_out_of_memory_is_fatal),
        cmocka_unit_test(who_is_patient_waits),
        cmocka_unit_test(a_reserve_bridges_what_is_small),
        cmocka_unit_test(the_absurd_is_not_waited_for),
        cmocka_unit_test(what_is_large_has_a_mapping_of_its_own),
        cmocka_unit_test(pages_on_which_nothing_lives_go_back),
#endif
        cmocka_unit_test(nothing_is_something),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
