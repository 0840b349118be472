#include "script_open.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/cowherd-script-open-XXXXXX";
static int root;

static void make_link(const char *target, const char *name, uid_t owner)
{
    assert_int_equal(symlinkat(target, root, name), 0);
    if (geteuid() == 0)
        assert_int_equal(fchownat(root, name, owner, owner, AT_SYMLINK_NOFOLLOW), 0);
}

static void make_file(const char *name, uid_t owner)
{
    int fd = openat(root, name, O_CREAT | O_WRONLY, 0644);

    assert_int_not_equal(fd, -1);
    close(fd);
    if (geteuid() == 0)
        assert_int_equal(fchownat(root, name, owner, owner, 0), 0);
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    int above = open(directory, O_PATH | O_DIRECTORY);
    if (mkdirat(above, "root", 0755) == -1 || mkdirat(above, "outside", 0755) == -1)
        return -1;
    root = openat(above, "root", O_PATH | O_DIRECTORY);
    close(above);
    if (root == -1 || mkdirat(root, "dir", 0755) == -1 || mkdirat(root, "dir/deep", 0755) == -1)
        return -1;
    uid_t me = geteuid() == 0 ? 1001 : geteuid();
    make_file("a.rb", me);
    make_file("dir/deep/b.rb", me);
    make_file("../outside/c.rb", me);
    make_link("a.rb", "same.rb", me);
    make_link("a.rb", "other.rb", 1002);
    make_link("dir", "link", 0);
    make_link("deep/b.rb", "dir/inner.rb", me);
    make_link("../../outside/c.rb", "dir/out.rb", me);
    make_link("../outside", "away", 1002);
    make_link("none.rb", "dangling.rb", me);
    make_link("loop.rb", "loop.rb", me);
    return 0;
}

static int tear_down(void **state)
{
    char command[96];

    (void)state;
    close(root);
    snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command);
}

/* 0, or the error. */
static int try_one(int (*function)(int, const char *, enum config_follow, int), const char *path,
                   enum config_follow follow, int flags)
{
    int fd = function(root, path, follow, flags);

    if (fd == -1)
        return errno;
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(fd);
    return 0;
}

static const struct {
    const char *path;
    int never, owner, always;
    bool needs_root;
} cells[] = {
    { "a.rb", 0, 0, 0, false },
    { "dir/deep/b.rb", 0, 0, 0, false },
    { "none.rb", ENOENT, ENOENT, ENOENT, false },
    { "none/a.rb", ENOENT, ENOENT, ENOENT, false },
    { "a.rb/b.rb", ENOTDIR, ENOTDIR, ENOTDIR, false },
    { "same.rb", ELOOP, 0, 0, false },
    { "other.rb", ELOOP, ELOOP, 0, true },
    { "link/deep/b.rb", ELOOP, 0, 0, false },
    { "dir/inner.rb", ELOOP, 0, 0, false },
    { "link/inner.rb", ELOOP, 0, 0, false },
    { "dir/out.rb", ELOOP, 0, 0, false },
    { "away/c.rb", ELOOP, ELOOP, 0, true },
    { "dangling.rb", ELOOP, ENOENT, ENOENT, false },
    { "loop.rb", ELOOP, ELOOP, ELOOP, false },
};

static void test_every_cell(void **state)
{
    static const int flags[] = { O_PATH, O_RDONLY | O_NONBLOCK };

    (void)state;
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        if (cells[i].needs_root && geteuid() != 0) {
            print_message("%s: only root can make links of others\n", cells[i].path);
            continue;
        }
        for (size_t j = 0; j < 2; j++) {
            const int expected[] = { cells[i].never, cells[i].owner, cells[i].always };
            for (int follow = FOLLOW_NEVER; follow <= FOLLOW_ALWAYS; follow++) {
                int whole = try_one(script_open, cells[i].path, follow, flags[j]);
                int steps = try_one(script_open_by_steps, cells[i].path, follow, flags[j]);
                if (whole != expected[follow] || (follow != FOLLOW_ALWAYS && steps != expected[follow]))
                    fail_msg("%s, follow %d: \"%s\" and \"%s\"", cells[i].path, follow, strerror(whole),
                             strerror(steps));
            }
        }
    }
}

static int open_descriptors(void)
{
    int count = 0;

    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

static void test_no_descriptor_is_left(void **state)
{
    int before = open_descriptors();

    test_every_cell(state);
    assert_int_equal(open_descriptors(), before);
}

static void test_overlong_names(void **state)
{
    char path[600] = "dir/";

    (void)state;
    memset(path + 4, 'a', 300);
    for (int follow = FOLLOW_NEVER; follow <= FOLLOW_ALWAYS; follow++) {
        assert_int_equal(try_one(script_open, path, follow, O_PATH), ENAMETOOLONG);
        assert_int_equal(try_one(script_open_by_steps, path, follow, O_PATH), ENAMETOOLONG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cell),
        cmocka_unit_test(test_no_descriptor_is_left),
        cmocka_unit_test(test_overlong_names),
    };

    return cmocka_run_group_tests_name("script_open", tests, set_up, tear_down);
}
