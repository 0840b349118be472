#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory_meter.h"

#define PAGES 64

static size_t page;

/* A child that does as it is told: 'p' and a count dirties so many pages more, each answered by one byte. */
struct puppet {
    pid_t pid;
    int orders;
    int answers;
};

static struct puppet start_puppet(char *region)
{
    int orders[2], answers[2];

    assert_int_equal(pipe(orders) | pipe(answers), 0);
    struct puppet puppet = { .pid = fork(), .orders = orders[1], .answers = answers[0] };
    assert_true(puppet.pid >= 0);
    if (puppet.pid == 0) {
        size_t dirtied = 0;
        char count;

        close(orders[1]);
        close(answers[0]);
        while (read(orders[0], &count, 1) == 1) {
            for (; count > 0; count--)
                region[dirtied++ * page]++;
            if (write(answers[1], "", 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    close(orders[0]);
    close(answers[1]);
    return puppet;
}

static void order(struct puppet *puppet, char pages)
{
    char answer;

    assert_int_equal(write(puppet->orders, &pages, 1), 1);
    assert_int_equal(read(puppet->answers, &answer, 1), 1);
}

static void stop_puppet(struct puppet *puppet)
{
    close(puppet->orders);
    close(puppet->answers);
    kill(puppet->pid, SIGKILL); /* its younger siblings hold its pipe, too */
    assert_int_equal(waitpid(puppet->pid, NULL, 0), puppet->pid);
}

/* As the mold makes it: filled while shared, then mapped private. */
static char *make_region(void)
{
    int fd = memfd_create("region", MFD_CLOEXEC);

    assert_int_equal(ftruncate(fd, (off_t)(PAGES * page)), 0);
    char *region = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    memset(region, 'r', PAGES * page);
    assert_ptr_equal(mmap(region, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0), region);
    close(fd);
    return region;
}

static void broken_pages_are_counted_exactly(void **state)
{
    char *region = make_region();
    uintptr_t start = (uintptr_t)region, end = start + PAGES * page;
    struct puppet puppet = start_puppet(region), idle = start_puppet(region);
    struct memory_figures before, after;

    (void)state;
    order(&puppet, 0);
    order(&idle, 0);
    assert_int_equal(memory_measure(puppet.pid, start, end, &before), 0);
    assert_int_equal(before.broken, 0);
    for (char pages = 1; pages < 8; pages++) {
        order(&puppet, pages);
        assert_int_equal(memory_measure(puppet.pid, start, end, &after), 0);
        assert_int_equal(after.broken - before.broken, (size_t)pages * page);
        assert_true(after.private_bytes >= after.broken);
        assert_int_equal(after.rss, after.private_bytes + after.shared);
        before = after;
    }
    /* A sibling that wrote nothing has broken nothing, whoever else maps the pages. */
    assert_int_equal(memory_measure(idle.pid, start, end, &after), 0);
    assert_int_equal(after.broken, 0);

    /* A region in two mappings is still one. */
    assert_int_equal(mprotect(region + 32 * page, page, PROT_READ), 0);
    region[0]++;
    region[40 * page]++;
    assert_int_equal(memory_measure(0, start, end, &after), 0);
    assert_int_equal(after.broken, 2 * page);

    stop_puppet(&puppet);
    stop_puppet(&idle);
    munmap(region, PAGES * page);
}

static void without_a_region_private_is_private(void **state)
{
    struct memory_figures before, after;
    size_t size = 16 << 20;

    (void)state;
    assert_int_equal(memory_measure(0, 0, 0, &before), 0);
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(memory, 1, size);
    assert_int_equal(memory_measure(getpid(), 0, 0, &after), 0);
    assert_int_equal(after.broken, 0);
    assert_in_range(after.private_bytes - before.private_bytes, size, size + (1 << 20));
    assert_in_range(after.rss - before.rss, size, size + (1 << 20));
    assert_true(after.page_tables > 0 && after.page_tables % page == 0);
    assert_int_equal(after.rss, after.private_bytes + after.shared);
    munmap(memory, size);
}

/* What the kernel sums up by itself: the fields of smaps_rollup that begin with `name`. */
static uint64_t rolled_up(pid_t pid, const char *name)
{
    char path[64], line[256];
    uint64_t sum = 0;

    snprintf(path, sizeof path, "/proc/%ld/smaps_rollup", (long)pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            sum += strtoull(strchr(line, ':') + 1, NULL, 10) * 1024;
    fclose(file);
    return sum;
}

/*
 * What this test itself writes meanwhile takes pages that it shared with its child and leaves the child's private: they
 * can only grow.
 */
static void the_sums_are_the_kernels(void **state)
{
    struct memory_figures figures;
    char *region = make_region();
    struct puppet puppet = start_puppet(region);

    (void)state;
    order(&puppet, 0);
    uint64_t before = rolled_up(puppet.pid, "Private_");
    assert_int_equal(memory_measure(puppet.pid, 0, 0, &figures), 0);
    assert_int_equal(figures.rss, rolled_up(puppet.pid, "Rss:"));
    assert_in_range(figures.private_bytes, before, rolled_up(puppet.pid, "Private_"));
    assert_int_equal(figures.swap, rolled_up(puppet.pid, "Swap:"));
    stop_puppet(&puppet);
    munmap(region, PAGES * page);
}

/* Memory is counted with its kind, and the kinds are all there is. */
static void parts_tell_what_it_is_for(void **state)
{
    struct memory_figures before, after;
    size_t size = 3 << 20;
    char *region = make_region();
    uintptr_t start = (uintptr_t)region, end = start + PAGES * page;

    (void)state;
    assert_int_equal(memory_measure(0, start, end, &before), 0);
    assert_true(before.parts[MAPPING_STACK].private_bytes > 0);
    assert_true(before.parts[MAPPING_LIBRARIES].rss > before.parts[MAPPING_LIBRARIES].private_bytes);
    assert_int_equal(before.parts[MAPPING_REGION].private_bytes, 0);

    char *young = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *shared = mmap(NULL, size / 2, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memset(young, 1, size);
    memset(shared, 1, size / 2);
    memset(region, 1, 3 * page);
    assert_int_equal(memory_measure(0, start, end, &after), 0);
    assert_in_range(after.parts[MAPPING_YOUNG].private_bytes - before.parts[MAPPING_YOUNG].private_bytes, size,
                    size + (256 << 10));
    assert_in_range(after.parts[MAPPING_OTHER].rss - before.parts[MAPPING_OTHER].rss, size / 2, size / 2 + (64 << 10));
    assert_int_equal(after.parts[MAPPING_REGION].private_bytes, 3 * page);
    assert_int_equal(after.broken, 3 * page);

    uint64_t rss = 0, private_bytes = 0;
    for (int kind = 0; kind < MAPPING_KINDS; kind++) {
        rss += after.parts[kind].rss;
        private_bytes += after.parts[kind].private_bytes;
    }
    assert_int_equal(rss, after.rss);
    assert_int_equal(private_bytes, after.private_bytes);
    munmap(young, size);
    munmap(shared, size / 2);
    munmap(region, PAGES * page);
}

static void who_is_gone_is_gone(void **state)
{
    struct memory_figures figures = { .rss = 7 };
    siginfo_t info;

    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    for (int region = 0; region < 2; region++) { /* a zombie */
        assert_int_equal(memory_measure(pid, 0, (uintptr_t)region, &figures), -1);
        assert_int_equal(errno, ESRCH);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(memory_measure(pid, 0, 1, &figures), -1);
    assert_int_equal(errno, ESRCH);
    assert_int_equal(figures.rss, 7);
}

static void what_is_not_ours_is_refused(void **state)
{
    int status;

    (void)state;
    if (geteuid() != 0)
        skip();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct memory_figures figures;

        if (setgroups(0, NULL) == -1 || setgid(65534) == -1 || setuid(65534) == -1)
            _exit(2);
        if (memory_measure(getppid(), 0, 1, &figures) != -1 || errno != EACCES)
            _exit(3);
        if (memory_measure(getppid(), 0, 0, &figures) != -1 || errno != EACCES)
            _exit(4);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void no_descriptor_is_left(void **state)
{
    struct memory_figures figures;
    int first = dup(0);

    (void)state;
    close(first);
    for (int i = 0; i < 20; i++) {
        memory_measure(0, 0, (uintptr_t)(i % 2), &figures);
        memory_measure(0x3fffffff, 0, 1, &figures);
    }
    int second = dup(0);
    close(second);
    assert_int_equal(first, second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_pages_are_counted_exactly),
        cmocka_unit_test(without_a_region_private_is_private),
        cmocka_unit_test(the_sums_are_the_kernels),
        cmocka_unit_test(parts_tell_what_it_is_for),
        cmocka_unit_test(who_is_gone_is_gone),
        cmocka_unit_test(what_is_not_ours_is_refused),
        cmocka_unit_test(no_descriptor_is_left),
    };

    page = (size_t)sysconf(_SC_PAGESIZE);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
