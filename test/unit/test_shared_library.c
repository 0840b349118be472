#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared_library.h"
#include "xalloc.h"

/* A cache as ldconfig writes it: a header of 48 bytes, 24 for each entry, then the strings. */
struct cache {
    char bytes[512];
    size_t length;
};

struct entry {
    const char *soname;
    const char *path;
    uint64_t hardware;
};

static void put(struct cache *cache, size_t at, const void *bytes, size_t length)
{
    assert_true(at + length <= sizeof cache->bytes);
    memcpy(cache->bytes + at, bytes, length);
    if (cache->length < at + length)
        cache->length = at + length;
}

static uint32_t put_string(struct cache *cache, const char *text)
{
    uint32_t at = (uint32_t)cache->length;
    put(cache, at, text, strlen(text) + 1);
    return at;
}

static struct cache make(const struct entry *entries, uint32_t count)
{
    struct cache cache = { .length = 48 + 24 * count };
    put(&cache, 0, "glibc-ld.so.cache1.1", 20);
    put(&cache, 20, &count, 4);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t places[] = { put_string(&cache, entries[i].soname), put_string(&cache, entries[i].path) };
        put(&cache, 48 + 24 * i + 4, places, sizeof places);
        put(&cache, 48 + 24 * i + 16, &entries[i].hardware, 8);
    }
    return cache;
}

static const struct entry some[] = {
    { "liba.so.1", "/usr/lib/other/liba.so.1", 0 },
    { "libx.so.2", "/usr/lib/fast/libx.so.2", UINT64_C(1) << 62 },
    { "libx.so.2", "/usr/lib/i386/libx.so.2", 0 },
    { "libx.so.2", "/usr/lib/libx.so.2", 0 },
};

static void reads_a_cache(void **state)
{
    (void)state;
    struct cache cache = make(some, 4);
    size_t entry = 0;
    assert_string_equal(shared_library_in_cache(cache.bytes, cache.length, "libx.so.2", &entry),
                        "/usr/lib/i386/libx.so.2");
    assert_string_equal(shared_library_in_cache(cache.bytes, cache.length, "libx.so.2", &entry), "/usr/lib/libx.so.2");
    assert_null(shared_library_in_cache(cache.bytes, cache.length, "libx.so.2", &entry));
    entry = 0;
    assert_null(shared_library_in_cache(cache.bytes, cache.length, "libx.so", &entry));
}

/* Every cut and every byte that is another: an answer within the bytes, or none. */
static void survives_a_broken_cache(void **state)
{
    (void)state;
    struct cache cache = make(some, 4);
    for (size_t length = 0; length < cache.length; length++) {
        char *cut = malloc(length + 1);
        memcpy(cut, cache.bytes, length);
        size_t entry = 0;
        const char *path;
        while ((path = shared_library_in_cache(cut, length, "libx.so.2", &entry)) != NULL)
            assert_true(path >= cut && path + strlen(path) < cut + length);
        free(cut);
    }
    for (size_t i = 0; i < cache.length; i++) {
        struct cache *damaged = malloc(sizeof *damaged);
        *damaged = cache;
        damaged->bytes[i] = (char)0xff;
        size_t entry = 0;
        const char *path;
        while ((path = shared_library_in_cache(damaged->bytes, damaged->length, "libx.so.2", &entry)) != NULL)
            assert_true(path + strlen(path) < damaged->bytes + damaged->length);
        free(damaged);
    }
}

static void finds_libraries_of_our_kind_alone(void **state)
{
    (void)state;
    char *libc = shared_library_find("libc.so.6", NULL, SHARED_LIBRARY_CACHE);
    assert_non_null(libc);
    char *uncached = shared_library_find("libc.so.6", "", "/nonexistent/cache");
    assert_non_null(uncached);
    assert_null(shared_library_find("libcowherd-has-none.so.1", "/tmp:", SHARED_LIBRARY_CACHE));

    char directory[] = "/tmp/cowherd-library-XXXXXX";
    assert_non_null(mkdtemp(directory));
    char *path = xasprintf("%s/libc.so.6", directory);
    char *list = xasprintf("/nonexistent:%s", directory);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "no library, this file", 21), 21);
    close(fd);
    char *found = shared_library_find("libc.so.6", list, SHARED_LIBRARY_CACHE);
    assert_string_equal(found, libc);
    free(found);
    unlink(path);
    assert_int_equal(symlink(libc, path), 0);
    found = shared_library_find("libc.so.6", list, SHARED_LIBRARY_CACHE);
    assert_string_equal(found, path);
    free(found);
    unlink(path);
    rmdir(directory);
    free(list);
    free(path);
    free(uncached);
    free(libc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_cache),
        cmocka_unit_test(survives_a_broken_cache),
        cmocka_unit_test(finds_libraries_of_our_kind_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
