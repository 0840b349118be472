#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "nearest.h"

static void counts_edits(void **state)
{
    static const struct {
        const char *a, *b;
        size_t distance;
    } examples[] = {
        { "", "", 0 },
        { "", "abc", 3 },
        { "recycle", "recycle", 0 },
        { "recyle", "recycle", 1 },
        { "listen", "listn", 1 },
        { "ab", "ba", 1 },
        { "kitten", "sitting", 3 },
        { "Listen", "listen", 0 },
        { "abcd", "badc", 2 },
        { "ca", "abc", 3 },
        { "a", "b", 1 },
        { "restart", "restrat", 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        assert_int_equal(nearest_distance(examples[i].a, examples[i].b), examples[i].distance);
        assert_int_equal(nearest_distance(examples[i].b, examples[i].a), examples[i].distance);
    }
}

static void bounds_long_words(void **state)
{
    char word[NEAREST_LENGTH_MAX + 2] = { 0 };

    (void)state;
    memset(word, 'x', NEAREST_LENGTH_MAX);
    assert_int_equal(nearest_distance(word, "x"), NEAREST_LENGTH_MAX - 1);
    word[NEAREST_LENGTH_MAX] = 'x';
    assert_int_equal(nearest_distance(word, word), NEAREST_LENGTH_MAX + 1);
}

static void finds_what_was_meant(void **state)
{
    static const char *const keys[] = { "listen", "user", "umask", "recycle", "restart", "env", "gc" };
    static const struct {
        const char *word, *meant;
    } examples[] = {
        { "listn", "listen" }, { "LISTEN", "listen" }, { "recyle", "recycle" }, { "recycled", "recycle" },
        { "usr", "user" },     { "unmask", "umask" },  { "envs", "env" },       { "cg", "gc" },
        { "apps", NULL },      { "", NULL },           { "xyz", NULL },         { "reload", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        const char *found = nearest(examples[i].word, keys, sizeof keys / sizeof *keys);
        assert_string_equal(found ? found : "nothing", examples[i].meant ? examples[i].meant : "nothing");
    }
    assert_null(nearest("listen", keys, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_edits),
        cmocka_unit_test(bounds_long_words),
        cmocka_unit_test(finds_what_was_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
