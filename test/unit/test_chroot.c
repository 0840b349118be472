/* What a pool loads, as it is named inside its root directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "chroot.h"

#define APPS                                                                                                           \
    "preload: [/jail/lib/a.rb, /jail/b.rb], apps: [{root: /jail, rack: config.ru, store: {file: data/store}},"         \
    "{path: /x, root: /jail/x/jail, rack: /jail/y/app.ru, hooks: [{event: access, file: /jail/hook.rb}]}]"

static struct config *pool_in(const char *chroot)
{
    struct config_report report = { 0 };
    struct strbuf text = { 0 };

    strbuf_printf(&text, "pools: {web: {listen: /a.sock, chroot: %s, " APPS "}}", chroot);
    struct config *config = config_parse(text.data, text.length, "test", "/", &report);
    if (config == NULL)
        fail_msg("%s", report.errors.items[0]);
    config_report_free(&report);
    strbuf_free(&text);
    return config;
}

static void paths_lose_what_is_outside(void **state)
{
    static const char *const spellings[] = { "/jail", "/jail/" };

    (void)state;
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        struct config *config = pool_in(spellings[i]);
        struct config_pool *pool = &config->pools[0];
        chroot_rename_paths(pool);
        assert_string_equal(pool->preload.items[0], "/lib/a.rb");
        assert_string_equal(pool->preload.items[1], "/b.rb");
        assert_string_equal(pool->apps[0].root, "/");
        assert_string_equal(pool->apps[0].rack, "/config.ru");
        assert_string_equal(pool->apps[0].store.file, "/data/store");
        assert_string_equal(pool->apps[1].root, "/x/jail");
        assert_string_equal(pool->apps[1].rack, "/y/app.ru");
        assert_string_equal(pool->apps[1].hooks[0].file, "/hook.rb");
        assert_memory_equal(pool->chroot, "/jail", 5);
        config_release(config);
    }
}

static void without_another_root_they_stay(void **state)
{
    static const char *const none[] = { "none", "/" };

    (void)state;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        struct config *config = pool_in(none[i]);
        chroot_rename_paths(&config->pools[0]);
        assert_string_equal(config->pools[0].apps[0].root, "/jail");
        assert_string_equal(config->pools[0].preload.items[0], "/jail/lib/a.rb");
        config_release(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lose_what_is_outside),
        cmocka_unit_test(without_another_root_they_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
