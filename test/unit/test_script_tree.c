/* All scripts below a directory, in a tree that each test makes. */
#include "script_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

struct found {
    struct strbuf names; /* each with a space behind it; in brackets when it may not be read */
    unsigned most, count;
};

static char directory[] = "/tmp/test-script-tree-XXXXXX";

static int enter(void **state)
{
    (void)state;
    memcpy(strrchr(directory, '-'), "-XXXXXX", 7);
    return mkdtemp(directory) == NULL || chdir(directory) == -1 ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status, (void)type, (void)at;
    return remove(path);
}

static int leave(void **state)
{
    (void)state;
    return chdir("/") == -1 ? -1 : nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, path, strlen(path)), strlen(path));
    close(fd);
}

/* The descriptor is one of the file that is named: each has its name in it. */
static bool note(const char *file, int fd, void *data)
{
    struct found *found = data;
    char text[256];

    if (fd >= 0) {
        ssize_t got = read(fd, text, sizeof text - 1);
        assert_true(got > 0);
        text[got] = '\0';
        assert_string_equal(strrchr(text, '/') ? strrchr(text, '/') + 1 : text,
                            strrchr(file, '/') ? strrchr(file, '/') + 1 : file);
        close(fd);
    }
    strbuf_printf(&found->names, fd >= 0 ? "%s " : "[%s] ", file);
    return ++found->count != found->most;
}

/* The walk's result; what was found is in `found`, which the caller frees. */
static bool walk(enum config_follow follow, struct found *found)
{
    struct config_app app = { .root = directory, .scripts = { .index = "index.rb", .follow_symlinks = follow } };
    int root = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const struct script_tree tree = { .root = root, .app = &app, .found = note, .data = found };
    struct strbuf error = { 0 };

    assert_true(root >= 0);
    bool result = script_tree_walk(&tree, &error);
    assert_int_equal(error.length, 0);
    strbuf_free(&error);
    close(root);
    return result;
}

static void expect(enum config_follow follow, const char *names)
{
    struct found found = { 0 };

    assert_true(walk(follow, &found));
    assert_string_equal(found.names.data ? found.names.data : "", names);
    strbuf_free(&found.names);
}

static void an_empty_tree_has_none(void **state)
{
    (void)state;
    expect(FOLLOW_NEVER, "");
}

static void finds_what_requests_can_mean_by_name(void **state)
{
    (void)state;
    assert_int_equal(mkdir("d", 0755) | mkdir("d/e", 0755) | mkdir(".git", 0755) | mkdir("dir.rb", 0755), 0);
    make_file("b.rb");
    make_file("a.rb");
    make_file("index.rb");
    make_file("d/e/z.rb");
    make_file("d/a.rb");
    make_file("data.txt");
    make_file(".hidden.rb");
    make_file(".git/hook.rb");
    make_file("dir.rb/inside.rb");
    assert_int_equal(mkfifo("pipe.rb", 0644), 0);
    expect(FOLLOW_NEVER, "a.rb b.rb d/a.rb d/e/z.rb index.rb ");
}

static void ends_when_it_is_told_to(void **state)
{
    struct found found = { .most = 2 };

    (void)state;
    assert_int_equal(mkdir("d", 0755), 0);
    make_file("a.rb");
    make_file("d/b.rb");
    make_file("d/c.rb");
    make_file("e.rb");
    assert_false(walk(FOLLOW_NEVER, &found));
    assert_string_equal(found.names.data, "a.rb d/b.rb ");
    strbuf_free(&found.names);
}

static void links_are_followed_as_configured(void **state)
{
    (void)state;
    assert_int_equal(mkdir("d", 0755) | mkdir("links", 0755), 0);
    make_file("d/real.rb");
    assert_int_equal(
        symlink("../d/real.rb", "links/real.rb") | symlink("d", "linked") | symlink("nowhere", "broken.rb"), 0);
    expect(FOLLOW_NEVER, "d/real.rb ");
    expect(FOLLOW_OWNER, "d/real.rb linked/real.rb links/real.rb ");
    expect(FOLLOW_ALWAYS, "d/real.rb linked/real.rb links/real.rb ");
}

static void a_directory_is_not_entered_below_itself(void **state)
{
    (void)state;
    assert_int_equal(mkdir("d", 0755) | mkdir("d/e", 0755), 0);
    make_file("d/e/a.rb");
    assert_int_equal(symlink("..", "d/e/up") | symlink("../..", "d/e/top") | symlink(".", "d/same"), 0);
    expect(FOLLOW_ALWAYS, "d/e/a.rb ");
}

static void names_those_that_may_not_be_read(void **state)
{
    (void)state;
    if (geteuid() == 0) {
        print_message("skipped: root may read everything\n");
        skip();
    }
    assert_int_equal(mkdir("closed", 0), 0);
    make_file("a.rb");
    make_file("b.rb");
    assert_int_equal(chmod("b.rb", 0), 0);
    expect(FOLLOW_NEVER, "a.rb [b.rb] ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_tree_has_none, enter, leave),
        cmocka_unit_test_setup_teardown(finds_what_requests_can_mean_by_name, enter, leave),
        cmocka_unit_test_setup_teardown(ends_when_it_is_told_to, enter, leave),
        cmocka_unit_test_setup_teardown(links_are_followed_as_configured, enter, leave),
        cmocka_unit_test_setup_teardown(a_directory_is_not_entered_below_itself, enter, leave),
        cmocka_unit_test_setup_teardown(names_those_that_may_not_be_read, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
