#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "allocator_library.h"
#include "shared_library.h"
#include "xalloc.h"

static const char *installed; /* the only one */

/* In place of the machine's own. */
char *shared_library_find(const char *soname, const char *library_path, const char *cache)
{
    (void)library_path;
    assert_string_equal(cache, "/etc/ld.so.cache");
    return installed != NULL && strcmp(installed, soname) == 0 ? xasprintf("/lib/%s", soname) : NULL;
}

static void finds(enum config_allocator allocator, const char *soname, const char *expected)
{
    struct config_pool pool = { .name = "web", .allocator = allocator };
    struct strbuf error = { 0 };
    char *path;
    installed = soname;
    assert_true(allocator_library(&pool, &path, &error));
    assert_int_equal(error.length, 0);
    if (expected != NULL)
        assert_string_equal(path, expected);
    else
        assert_null(path);
    free(path);
}

static void finds_what_is_installed(void **state)
{
    (void)state;
    finds(ALLOCATOR_GLIBC, NULL, NULL);
    finds(ALLOCATOR_JEMALLOC, "libjemalloc.so.2", "/lib/libjemalloc.so.2");
    finds(ALLOCATOR_MIMALLOC, "libmimalloc.so.2", "/lib/libmimalloc.so.2");
    finds(ALLOCATOR_MIMALLOC, "libmimalloc.so.3", "/lib/libmimalloc.so.3");
}

static void misses(const struct config_pool *pool, const char *expected)
{
    struct strbuf error = { 0 };
    char *path;
    installed = "libc.so.6";
    assert_false(allocator_library(pool, &path, &error));
    assert_null(path);
    assert_string_equal(error.data, expected);
    strbuf_free(&error);
}

static void says_where_and_what_is_missing(void **state)
{
    (void)state;
    misses(&(struct config_pool){ .name = "web", .allocator = ALLOCATOR_JEMALLOC, .allocator_place = "a.yml:3:16" },
           "a.yml:3:16: pools.web.allocator: there is no jemalloc on this machine (libjemalloc.so.2): install the "
           "package libjemalloc2");
    misses(&(struct config_pool){ .name = "web", .allocator = ALLOCATOR_MIMALLOC },
           "pools.web.allocator: there is no mimalloc on this machine (libmimalloc.so.3): install the package "
           "libmimalloc3 (Debian 13) or libmimalloc2.0 (Debian 12)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_is_installed),
        cmocka_unit_test(says_where_and_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
