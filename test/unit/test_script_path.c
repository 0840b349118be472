/* Cell by cell: what a path means. */
#include "script_path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *path;
    const char *file; /* NULL: none */
    const char *info;
    bool slash_missing;
} cells[] = {
    { "/a.rb", "a.rb", "", false },
    { "/dir/a.rb", "dir/a.rb", "", false },
    { "/d/e/f/a.b-c_1.rb", "d/e/f/a.b-c_1.rb", "", false },
    { "/sp ace/\xc3\xa4.rb", "sp ace/\xc3\xa4.rb", "", false },
    /* directories */
    { "/", "index.rb", "", false },
    { "", "index.rb", "", true },
    { "/dir/", "dir/index.rb", "", false },
    { "/dir", "dir/index.rb", "", true },
    { "/d/e/", "d/e/index.rb", "", false },
    { "/d/e", "d/e/index.rb", "", true },
    { "/a.txt", "a.txt/index.rb", "", true },
    { "/a.RB", "a.RB/index.rb", "", true },
    { "/a.rb2", "a.rb2/index.rb", "", true },
    { "/rb", "rb/index.rb", "", true },
    /* what follows the script */
    { "/a.rb/", "a.rb", "/", false },
    { "/a.rb/x/y", "a.rb", "/x/y", false },
    { "/dir/a.rb/x.rb", "dir/a.rb", "/x.rb", false },
    { "/a.rb//x", "a.rb", "//x", false },
    { "/a.rb/x//", "a.rb", "/x//", false },
    { "/a.rb/.well-known", "a.rb", "/.well-known", false },
    { "/a.rb/x\\y", "a.rb", "/x\\y", false },
    { "/a.rb/...", "a.rb", "/...", false },
    { "/a.rb/..a/b..", "a.rb", "/..a/b..", false },
    { "/index.rb", "index.rb", "", false },
    /* dots */
    { "/..", NULL, NULL, false },
    { "/.", NULL, NULL, false },
    { "/../a.rb", NULL, NULL, false },
    { "/./a.rb", NULL, NULL, false },
    { "/dir/../a.rb", NULL, NULL, false },
    { "/dir/./a.rb", NULL, NULL, false },
    { "/dir/..", NULL, NULL, false },
    { "/dir/../", NULL, NULL, false },
    { "/.../a.rb", NULL, NULL, false },
    { "/a.rb/..", NULL, NULL, false },
    { "/a.rb/../", NULL, NULL, false },
    { "/a.rb/../../etc/passwd", NULL, NULL, false },
    { "/a.rb/x/../y", NULL, NULL, false },
    { "/a.rb/./x", NULL, NULL, false },
    { "/a.rb/x/.", NULL, NULL, false },
    { "/a.rb//..", NULL, NULL, false },
    /* hidden ones */
    { "/.a.rb", NULL, NULL, false },
    { "/.rb", NULL, NULL, false },
    { "/.git/a.rb", NULL, NULL, false },
    { "/dir/.hidden/", NULL, NULL, false },
    { "/.htaccess", NULL, NULL, false },
    /* empty segments and backslashes */
    { "//", NULL, NULL, false },
    { "//a.rb", NULL, NULL, false },
    { "/dir//a.rb", NULL, NULL, false },
    { "/dir//", NULL, NULL, false },
    { "/dir\\a.rb", NULL, NULL, false },
    { "/..\\a.rb", NULL, NULL, false },
    { "/dir\\..\\..\\a.rb", NULL, NULL, false },
    { "/\\", NULL, NULL, false },
    { "a.rb", NULL, NULL, false },
};

static void test_every_cell(void **state)
{
    struct script_path mapped;

    (void)state;
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        bool found = script_path_map(cells[i].path, "index.rb", &mapped);
        if (found != (cells[i].file != NULL))
            fail_msg("\"%s\" is %sfound", cells[i].path, found ? "" : "not ");
        if (!found)
            continue;
        if (strcmp(mapped.file, cells[i].file) != 0 || strcmp(mapped.info, cells[i].info) != 0 ||
            mapped.slash_missing != cells[i].slash_missing || mapped.length != strlen(mapped.file))
            fail_msg("\"%s\" is \"%s\", \"%s\", %d", cells[i].path, mapped.file, mapped.info, mapped.slash_missing);
    }
}

static void test_another_index(void **state)
{
    struct script_path mapped;

    (void)state;
    assert_true(script_path_map("/dir/", "main.cgi", &mapped));
    assert_string_equal(mapped.file, "dir/main.cgi");
    assert_true(script_path_map("/dir/main.cgi", "main.cgi", &mapped));
    assert_string_equal(mapped.file, "dir/main.cgi/main.cgi");
}

static void test_long_paths(void **state)
{
    static char path[3 * SCRIPT_PATH_MAX];
    struct script_path mapped;

    (void)state;
    for (size_t length = SCRIPT_PATH_MAX - 20; length < SCRIPT_PATH_MAX + 20; length++) {
        for (size_t i = 0; i < length; i++)
            path[i] = i % 200 == 0 ? '/' : 'a';
        strcpy(path + length, "b.rb");
        assert_int_equal(script_path_map(path, "index.rb", &mapped), length + 4 < SCRIPT_PATH_MAX);
        strcpy(path + length, "b/");
        assert_int_equal(script_path_map(path, "index.rb", &mapped), length + 10 < SCRIPT_PATH_MAX);
        strcpy(path + length, "b");
        assert_int_equal(script_path_map(path, "index.rb", &mapped), length + 9 < SCRIPT_PATH_MAX);
    }
    memset(path + 1, 'a', 300);
    strcpy(path + 1 + 255, "/b.rb");
    assert_true(script_path_map(path, "index.rb", &mapped));
    memset(path + 1, 'a', 300);
    strcpy(path + 1 + 256, "/b.rb");
    assert_false(script_path_map(path, "index.rb", &mapped));
    strcpy(path, "/a.rb/");
    memset(path + 6, 'x', sizeof path - 7);
    assert_true(script_path_map(path, "index.rb", &mapped));
    assert_int_equal(strlen(mapped.info), sizeof path - 6);
}

static void test_names_in_a_tree(void **state)
{
    (void)state;
    assert_true(script_path_is_script("a.rb", "index.rb"));
    assert_true(script_path_is_script("index.cgi", "index.cgi"));
    assert_false(script_path_is_script("a.cgi", "index.cgi"));
    assert_false(script_path_is_script(".a.rb", "index.rb"));
    assert_false(script_path_is_script(".rb", "index.rb"));
    assert_false(script_path_is_script("a\\b.rb", "index.rb"));
    assert_true(script_path_is_directory("dir"));
    assert_false(script_path_is_directory("dir.rb"));
    assert_false(script_path_is_directory(".git"));
    assert_false(script_path_is_directory("."));
    assert_false(script_path_is_directory(".."));
}

static void assert_location(const char *prefix, const char *path, const char *query, const char *expected)
{
    struct strbuf out = { 0 };

    script_path_location(&out, prefix, path, query);
    assert_string_equal(out.data, expected);
    strbuf_free(&out);
}

static void test_location(void **state)
{
    (void)state;
    assert_location("", "/dir", NULL, "/dir/");
    assert_location("/blog", "", "", "/blog/");
    assert_location("/blog", "/a b/\xc3\xa4?#", "x=%20&y[]=1", "/blog/a%20b/%C3%A4%3F%23/?x=%20&y[]=1");
    assert_location("", "/a\r\nSet-Cookie: x", "q\r\n\r\n<script>\"",
                    "/a%0D%0ASet-Cookie%3A%20x/?q%0D%0A%0D%0A%3Cscript%3E%22");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cell),      cmocka_unit_test(test_another_index), cmocka_unit_test(test_long_paths),
        cmocka_unit_test(test_names_in_a_tree), cmocka_unit_test(test_location),
    };

    return cmocka_run_group_tests_name("script_path", tests, NULL, NULL);
}
