#include "watch.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "xalloc.h"

static char folder[64];
static struct watch *watch;

static char *below(const char *name)
{
    static char paths[4][256];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(below(name), "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test_watch-XXXXXX");
    assert_non_null(mkdtemp(folder));
    watch = watch_new();
    assert_non_null(watch);
    return 0;
}

static int tear_down(void **state)
{
    char *command = xasprintf("rm -r %s", folder);

    (void)state;
    watch_free(watch);
    assert_int_equal(system(command), 0);
    free(command);
    return 0;
}

/* inotify queues an event before the call that caused it returns: there is nothing to wait for. */
static void assert_changed(const char *name)
{
    struct strbuf changed = { 0 };

    assert_true(watch_read(watch, &changed));
    if (name != NULL)
        assert_string_equal(changed.data, below(name));
    strbuf_free(&changed);
}

static void assert_unchanged(void)
{
    struct strbuf changed = { 0 };

    assert_false(watch_read(watch, &changed));
    assert_int_equal(changed.length, 0);
}

static void test_rule(void **state)
{
    char *names[] = { "a.rb", "lib" };

    (void)state;
    assert_true(watch_matters(names, 2, false, IN_CLOSE_WRITE, "a.rb"));
    assert_true(watch_matters(names, 2, false, IN_MOVED_TO, "a.rb"));
    assert_true(watch_matters(names, 2, false, IN_MOVED_FROM, "a.rb"));
    assert_true(watch_matters(names, 2, false, IN_DELETE, "a.rb"));
    assert_false(watch_matters(names, 2, false, IN_CREATE, "a.rb"));
    assert_false(watch_matters(names, 2, false, IN_CLOSE_WRITE, "b.rb"));
    assert_false(watch_matters(names, 2, false, IN_CLOSE_WRITE, "a.rb~"));
    assert_true(watch_matters(names, 2, false, IN_CREATE | IN_ISDIR, "lib"));
    assert_false(watch_matters(names, 2, false, IN_CREATE | IN_ISDIR, "other"));
    assert_true(watch_matters(NULL, 0, true, IN_CLOSE_WRITE, "any.rb"));
    assert_false(watch_matters(NULL, 0, true, IN_CLOSE_WRITE, ".any.rb"));
    assert_false(watch_matters(NULL, 0, true, IN_CLOSE_WRITE, "any.txt"));
    assert_false(watch_matters(NULL, 0, true, IN_CLOSE_WRITE, ".rb"));
    assert_true(watch_matters(NULL, 0, true, IN_MOVED_FROM | IN_ISDIR, "folder"));
    assert_true(watch_matters(NULL, 0, false, IN_DELETE_SELF, ""));
    assert_true(watch_matters(NULL, 0, false, IN_Q_OVERFLOW, ""));
}

static void test_written_renamed_removed(void **state)
{
    (void)state;
    put("a.rb", "1");
    put("b.rb", "1");
    watch_file(watch, below("a.rb"));
    watch_file(watch, below("a.rb"));
    assert_unchanged();
    put("b.rb", "2");
    assert_unchanged();
    put("a.rb", "2");
    assert_changed("a.rb");
    put("a.rb.new", "3");
    assert_unchanged();
    assert_int_equal(rename(below("a.rb.new"), below("a.rb")), 0);
    assert_changed("a.rb");
    assert_int_equal(unlink(below("a.rb")), 0);
    assert_changed("a.rb");
    put("a.rb", "4");
    assert_changed("a.rb");
    assert_int_equal(unlink(below("a.rb")), 0);
    assert_int_equal(symlink(below("b.rb"), below("a.rb")), 0);
    assert_changed("a.rb");
    assert_unchanged();
}

static void test_target_of_a_link(void **state)
{
    (void)state;
    mkdir(below("real"), 0755);
    put("real/a.rb", "1");
    assert_int_equal(symlink(below("real/a.rb"), below("a.rb")), 0);
    watch_file(watch, below("a.rb"));
    put("real/a.rb", "2");
    assert_changed("real/a.rb");
}

static void test_file_that_is_not_there_yet(void **state)
{
    (void)state;
    watch_file(watch, below("one/two/a.rb"));
    put("two", "");
    assert_unchanged();
    mkdir(below("one"), 0755);
    assert_changed("one");
    watch_again(watch);
    mkdir(below("one/two"), 0755);
    assert_changed("one/two");
    watch_again(watch);
    put("one/two/a.rb", "1");
    assert_changed("one/two/a.rb");
}

static void test_folder_that_comes_again(void **state)
{
    (void)state;
    mkdir(below("lib"), 0755);
    put("lib/a.rb", "1");
    watch_file(watch, below("lib/a.rb"));
    unlink(below("lib/a.rb"));
    rmdir(below("lib"));
    assert_changed("lib/a.rb");
    watch_again(watch);
    mkdir(below("lib"), 0755);
    assert_changed("lib");
    watch_again(watch);
    put("lib/a.rb", "2");
    assert_changed("lib/a.rb");
    assert_int_equal(rename(below("lib"), below("away")), 0);
    assert_changed(NULL);
    watch_again(watch);
    put("away/a.rb", "3");
    assert_unchanged();
    assert_int_equal(rename(below("away"), below("lib")), 0);
    assert_changed("lib");
}

static void test_tree(void **state)
{
    (void)state;
    mkdir(below("sub"), 0755);
    mkdir(below(".git"), 0755);
    watch_tree(watch, folder);
    put(".git/x.rb", "1");
    put("page.txt", "1");
    assert_unchanged();
    put("page.rb", "1");
    assert_changed("page.rb");
    put("sub/page.rb", "1");
    assert_changed("sub/page.rb");
    mkdir(below("new"), 0755);
    assert_unchanged();
    put("new/page.rb", "1");
    assert_changed("new/page.rb");
    /* One that comes with files in it. */
    mkdir(below(".away"), 0755);
    put(".away/page.rb", "1");
    assert_unchanged();
    assert_int_equal(rename(below(".away"), below("whole")), 0);
    assert_changed("whole");
    put("whole/page.rb", "2");
    assert_changed("whole/page.rb");
}

static void test_descriptor_is_readable(void **state)
{
    struct pollfd wait = { .fd = watch_descriptor(watch), .events = POLLIN };

    (void)state;
    watch_file(watch, below("a.rb"));
    assert_int_equal(poll(&wait, 1, 0), 0);
    put("a.rb", "1");
    assert_int_equal(poll(&wait, 1, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule),
        cmocka_unit_test_setup_teardown(test_written_renamed_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_target_of_a_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_file_that_is_not_there_yet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_folder_that_comes_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_descriptor_is_readable, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
