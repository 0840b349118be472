#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "mold_environment.h"
#include "xalloc.h"

#define OUR_TUNABLES "GLIBC_TUNABLES=glibc.malloc.tcache_count=24:glibc.malloc.tcache_max=152"

/* Which of the variables of an environment begin with `prefix`; the last one, NULL when there is none. */
static const char *find(char *const *environment, const char *prefix)
{
    const char *found = NULL;
    for (size_t i = 0; environment[i] != NULL; i++)
        if (strncmp(environment[i], prefix, strlen(prefix)) == 0) {
            if (found != NULL)
                fail_msg("%s and %s", found, environment[i]);
            found = environment[i];
        }
    return found;
}

static void expect(char *const *environment, const char *variable)
{
    char *name = xasprintf("%.*s", (int)(strchr(variable, '=') + 1 - variable), variable);
    const char *found = find(environment, name);
    if (found == NULL || strcmp(found, variable) != 0)
        fail_msg("%s is %s", variable, found ? found : "missing");
    free(name);
}

static void expect_none(char *const *environment, const char *prefix)
{
    const char *found = find(environment, prefix);
    if (found != NULL)
        fail_msg("%s is there", found);
}

static void glibc_gets_its_tunables(void **state)
{
    (void)state;
    char *outer[] = { "PATH=/bin", "LISTEN_FDS=1", "LISTEN_FDS_X=1", "COWHERD_OUTER_PATH=/evil", NULL };
    char **environment = mold_environment(outer, &(struct config_pool){ 0 }, NULL);
    expect(environment, "PATH=/bin");
    expect(environment, "LISTEN_FDS_X=1");
    expect_none(environment, "LISTEN_FDS=");
    expect(environment, OUR_TUNABLES);
    expect(environment, "COWHERD_OUTER_GLIBC_TUNABLES=");
    expect_none(environment, "COWHERD_OUTER_PATH");
    expect_none(environment, "LD_PRELOAD");
    mold_environment_free(environment);
}

static void who_sets_tunables_has_decided(void **state)
{
    (void)state;
    char *outer[] = { "GLIBC_TUNABLES=a=1", NULL };
    char **environment = mold_environment(outer, &(struct config_pool){ 0 }, NULL);
    expect(environment, "GLIBC_TUNABLES=a=1");
    expect_none(environment, "COWHERD_OUTER_");
    mold_environment_free(environment);

    struct config_pair pairs[] = { { "GLIBC_TUNABLES", "b=2" }, { "LD_PRELOAD", "/mine.so" }, { "TZ", "UTC" } };
    struct config_pool pool = { .env = { .items = pairs, .count = 3 } };
    environment = mold_environment(outer, &pool, NULL);
    expect(environment, "GLIBC_TUNABLES=b=2");
    expect(environment, "COWHERD_OUTER_GLIBC_TUNABLES=a=1");
    expect_none(environment, "LD_PRELOAD"); /* for what apps start, not for the mold */
    expect_none(environment, "TZ");
    mold_environment_free(environment);
}

static void a_library_stands_ahead_of_what_is_preloaded(void **state)
{
    (void)state;
    struct config_pool pool = { .allocator = ALLOCATOR_MIMALLOC };
    char *outer[] = { "LD_PRELOAD=/a.so:/b.so", NULL };
    char **environment = mold_environment(outer, &pool, "/lib/mi.so");
    expect(environment, "LD_PRELOAD=/lib/mi.so:/a.so:/b.so");
    expect(environment, "COWHERD_OUTER_LD_PRELOAD=/a.so:/b.so");
    expect(environment, "MIMALLOC_DECOMMIT_DELAY=0");
    expect_none(environment, "GLIBC_TUNABLES");
    mold_environment_free(environment);

    char *empty[] = { "LD_PRELOAD=", "MIMALLOC_DECOMMIT_DELAY=9", NULL };
    environment = mold_environment(empty, &pool, "/lib/mi.so");
    expect(environment, "LD_PRELOAD=/lib/mi.so");
    expect(environment, "COWHERD_OUTER_LD_PRELOAD=");
    expect(environment, "MIMALLOC_DECOMMIT_DELAY=9");
    mold_environment_free(environment);
}

static void settings_of_jemalloc_are_added_to(void **state)
{
    (void)state;
    struct config_pair pair = { "MALLOC_CONF", "narenas:2" };
    struct config_pool pool = { .allocator = ALLOCATOR_JEMALLOC, .env = { .items = &pair, .count = 1 } };
    char *outer[] = { "MALLOC_CONF=narenas:3", NULL };
    char **environment = mold_environment(outer, &pool, "/lib/je.so");
    const char *settings = find(environment, "MALLOC_CONF=");
    assert_non_null(strstr(settings, "=narenas:1,"));
    assert_string_equal(strrchr(settings, ','), ",narenas:2");
    assert_null(strstr(settings, "narenas:3"));
    expect(environment, "COWHERD_OUTER_MALLOC_CONF=narenas:3");
    mold_environment_free(environment);

    pool.env.count = 0;
    environment = mold_environment(outer, &pool, "/lib/je.so");
    assert_string_equal(strrchr(find(environment, "MALLOC_CONF="), ','), ",narenas:3");
    mold_environment_free(environment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(glibc_gets_its_tunables),
        cmocka_unit_test(who_sets_tunables_has_decided),
        cmocka_unit_test(a_library_stands_ahead_of_what_is_preloaded),
        cmocka_unit_test(settings_of_jemalloc_are_added_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
