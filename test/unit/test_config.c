#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "config_files.h"
#include "config_fixture.h"
#include "diagnostics.h"
#include "settings.h"
#include "xalloc.h"

#define S INT64_C(1000000000)
static char *print(const struct config *config)
{
    struct strbuf out = { 0 };
    config_print(config, &out);
    return strbuf_detach(&out);
}

static void has_the_defaults_of_the_contract(void **state)
{
    (void)state;
    struct config *config = parse_good("pools: {web: {" LISTEN_AND_APP "}}");
    assert_string_equal(config->path, "");
    assert_string_equal(config->control, "/run/cowherd/control.sock");
    assert_null(config->pid_file);
    assert_int_equal(config->log.level, LOG_LEVEL_INFO);
    assert_string_equal(config->log.error, "stderr");
    assert_string_equal(config->log.access.path, "none");
    assert_int_equal(config->log.access.format, ACCESS_COMBINED);
    assert_null(config->status_listen);
    assert_int_equal(config->files.count, 0);
    assert_int_equal(config->pool_count, 1);

    const struct config_pool *pool = config_pool_find(config, "web");
    assert_ptr_equal(pool, &config->pools[0]);
    assert_null(config_pool_find(config, "we"));
    assert_int_equal(pool->listen_count, 1);
    assert_int_equal(pool->listen[0].type, LISTEN_UNIX);
    assert_string_equal(pool->listen[0].address, "/run/web.sock");
    assert_null(pool->socket.owner);
    assert_null(pool->socket.group);
    assert_int_equal(pool->socket.mode, 0660);
    assert_int_equal(pool->socket.backlog, 1024);
    assert_int_equal(pool->socket.allow.count, 0);
    assert_null(pool->user);
    assert_null(pool->group);
    assert_int_equal(pool->umask, 0022);
    assert_int_equal(pool->nice, 0);
    assert_int_equal(pool->oom_score_adj, 100);
    assert_true(pool->no_new_privs);
    assert_int_equal(pool->rlimit_count, 0);
    assert_null(pool->chroot);
    assert_int_equal(pool->workers.min, 2);
    assert_int_equal(pool->workers.max, 2);
    assert_int_equal(pool->workers.spare, 1);
    assert_int_equal(pool->workers.idle_ns, 10 * S);
    assert_int_equal(pool->allocator, ALLOCATOR_GLIBC);
    assert_int_equal(pool->recycle.requests, 0);
    assert_int_equal(pool->recycle.age_ns, 0);
    assert_int_equal(pool->recycle.private_memory, 0);
    assert_int_equal(pool->recycle.symbols, 20000);
    assert_int_equal(pool->recycle.jitter, 10);
    assert_int_equal(pool->recycle.max_unavailable, 1);
    assert_int_equal(pool->restart.interval_ns, 0);
    assert_int_equal(pool->restart.ready_timeout_ns, 30 * S);
    assert_int_equal(pool->restart.drain_timeout_ns, 40 * S);
    assert_int_equal(pool->restart.surge, SURGE_AUTO);
    assert_null(pool->restart.env_dir);
    assert_int_equal(pool->timeouts.request_ns, 30 * S);
    assert_int_equal(pool->timeouts.hard_ns, 35 * S);
    assert_int_equal(pool->timeouts.header_ns, 2 * S);
    assert_int_equal(pool->timeouts.body_ns, 30 * S);
    assert_int_equal(pool->timeouts.idle_ns, 60 * S);
    assert_int_equal(pool->limits.body, 128 << 20);
    assert_int_equal(pool->limits.header, 64 << 10);
    assert_int_equal(pool->gc, GC_AFTER_REQUEST);
    assert_true(pool->frozen);
    assert_int_equal(pool->memory, 0);
    assert_int_equal(pool->warmup.count, 0);
    assert_false(pool->show_errors);

    assert_int_equal(pool->app_count, 1);
    const struct config_app *app = &pool->apps[0];
    assert_string_equal(app->name, "*/");
    assert_string_equal(app->host, "*");
    assert_string_equal(app->path, "/");
    assert_string_equal(app->root, "/srv/www");
    assert_string_equal(app->rack, "/srv/www/config.ru");
    assert_null(app->interpreter);
    assert_false(app->scripts.enabled);
    assert_string_equal(app->scripts.index, "index.rb");
    assert_true(app->scripts.cache);
    assert_int_equal(app->scripts.follow_symlinks, FOLLOW_OWNER);
    assert_int_equal(app->hook_count, 0);
    assert_false(app->store.enabled);
    assert_int_equal(app->store.size, 16 << 20);
    assert_null(app->store.file);
    config_release(config);
}

static const char everything[] =
    "control: control.sock\n"
    "pid_file: /run/pid\n"
    "log: {level: debug, error: syslog, access: {path: access.log, format: json}}\n"
    "status: {listen: 127.0.0.1:9100}\n"
    "pools:\n"
    "  web:\n"
    "    listen: [web.sock, 127.0.0.1:9000, '[::1]:9001', systemd:web, starter:80]\n"
    "    socket: {owner: www-data, group: adm, mode: 0600, backlog: 64, allow: [10.0.0.0/8, '::1']}\n"
    "    user: www-data\n"
    "    group: adm\n"
    "    umask: 027\n"
    "    nice: -5\n"
    "    oom_score_adj: -7\n"
    "    no_new_privs: false\n"
    "    rlimits: {nofile: 4096, core: unlimited, as: 1GiB}\n"
    "    chroot: /\n"
    "    workers: {min: 1, max: 8, spare: 3, idle: 1m}\n"
    "    preload: [lib.rb, /usr/lib/b.rb]\n"
    "    env: {TZ: Asia/Tokyo, DEBUG: 0, EMPTY: , YES: yes}\n"
    "    allocator: jemalloc\n"
    "    recycle: {requests: 500, age: 1h, private_memory: 32MiB, symbols: 7, jitter: 0, max_unavailable: 2}\n"
    "    restart: {interval: 1d, ready_timeout: 5s, drain_timeout: 20s, surge: one_by_one, env_dir: env}\n"
    "    timeouts: {request: 10s, hard: 20s, header: 500ms, body: 0, idle: 3s}\n"
    "    limits: {body: 10MB, header: 32KiB}\n"
    "    gc: idle\n"
    "    frozen: no\n"
    "    memory: 800MiB\n"
    "    warmup: [/, /feed?a=b]\n"
    "    show_errors: on\n"
    "    apps:\n"
    "      - {rack: config.ru, host: Blog.Example.org, root: blog, path: /wiki/, interpreter: shared}\n"
    "      - host: '*.example.org'\n"
    "        root: /srv/scripts\n"
    "        scripts: {index: main.rb, cache: false, follow_symlinks: always}\n"
    "        hooks: [{event: worker_start, file: a.rb}, {event: log, file: /b.rb, path: /x/, cache: false}]\n"
    "        store: {size: 1MiB, file: store.db}\n";

static void reads_every_setting(void **state)
{
    (void)state;
    struct config *config = parse_good(everything);
    assert_string_equal(config->control, "/etc/cowherd/control.sock");
    assert_string_equal(config->pid_file, "/run/pid");
    assert_int_equal(config->log.level, LOG_LEVEL_DEBUG);
    assert_string_equal(config->log.error, "syslog");
    assert_string_equal(config->log.access.path, "/etc/cowherd/access.log");
    assert_int_equal(config->log.access.format, ACCESS_JSON);
    assert_string_equal(config->status_listen, "127.0.0.1:9100");

    const struct config_pool *pool = &config->pools[0];
    assert_int_equal(pool->listen_count, 5);
    assert_string_equal(pool->listen[0].address, "/etc/cowherd/web.sock");
    assert_string_equal(pool->listen[2].host, "::1");
    assert_string_equal(pool->listen[2].port, "9001");
    assert_int_equal(pool->listen[3].type, LISTEN_SYSTEMD);
    assert_int_equal(pool->listen[4].type, LISTEN_STARTER);
    assert_string_equal(pool->socket.owner, "www-data");
    assert_string_equal(pool->socket.group, "adm");
    assert_int_equal(pool->socket.mode, 0600);
    assert_int_equal(pool->socket.backlog, 64);
    assert_int_equal(pool->socket.allow.count, 2);
    assert_string_equal(pool->socket.allow.items[0], "10.0.0.0/8");
    assert_string_equal(pool->user, "www-data");
    assert_string_equal(pool->group, "adm");
    assert_int_equal(pool->umask, 027);
    assert_int_equal(pool->nice, -5);
    assert_int_equal(pool->oom_score_adj, -7);
    assert_false(pool->no_new_privs);
    assert_int_equal(pool->rlimit_count, 3);
    assert_string_equal(pool->rlimits[0].name, "nofile");
    assert_int_equal(pool->rlimits[0].value, 4096);
    assert_int_equal(pool->rlimits[1].value, -1);
    assert_int_equal(pool->rlimits[2].value, 1 << 30);
    assert_string_equal(pool->chroot, "/");
    assert_int_equal(pool->workers.min, 1);
    assert_int_equal(pool->workers.max, 8);
    assert_int_equal(pool->workers.spare, 3);
    assert_int_equal(pool->workers.idle_ns, 60 * S);
    assert_int_equal(pool->preload.count, 2);
    assert_string_equal(pool->preload.items[0], "/etc/cowherd/lib.rb");
    assert_int_equal(pool->env.count, 4);
    assert_string_equal(pool->env.items[1].name, "DEBUG");
    assert_string_equal(pool->env.items[1].value, "0");
    assert_string_equal(pool->env.items[2].value, "");
    assert_string_equal(pool->env.items[3].value, "yes");
    assert_int_equal(pool->allocator, ALLOCATOR_JEMALLOC);
    assert_int_equal(pool->recycle.requests, 500);
    assert_int_equal(pool->recycle.age_ns, 3600 * S);
    assert_int_equal(pool->recycle.private_memory, 32 << 20);
    assert_int_equal(pool->recycle.symbols, 7);
    assert_int_equal(pool->recycle.jitter, 0);
    assert_int_equal(pool->recycle.max_unavailable, 2);
    assert_int_equal(pool->restart.interval_ns, 86400 * S);
    assert_int_equal(pool->restart.ready_timeout_ns, 5 * S);
    assert_int_equal(pool->restart.drain_timeout_ns, 20 * S);
    assert_int_equal(pool->restart.surge, SURGE_ONE_BY_ONE);
    assert_string_equal(pool->restart.env_dir, "/etc/cowherd/env");
    assert_int_equal(pool->timeouts.request_ns, 10 * S);
    assert_int_equal(pool->timeouts.hard_ns, 20 * S);
    assert_int_equal(pool->timeouts.header_ns, S / 2);
    assert_int_equal(pool->timeouts.body_ns, 0);
    assert_int_equal(pool->timeouts.idle_ns, 3 * S);
    assert_int_equal(pool->limits.body, 10000000);
    assert_int_equal(pool->limits.header, 32 << 10);
    assert_int_equal(pool->gc, GC_IDLE);
    assert_false(pool->frozen);
    assert_int_equal(pool->memory, INT64_C(800) << 20);
    assert_int_equal(pool->warmup.count, 2);
    assert_string_equal(pool->warmup.items[1], "/feed?a=b");
    assert_true(pool->show_errors);

    assert_int_equal(pool->app_count, 2);
    const struct config_app *blog = &pool->apps[0], *scripts = &pool->apps[1];
    assert_string_equal(blog->name, "blog.example.org/wiki");
    assert_string_equal(blog->host, "blog.example.org");
    assert_string_equal(blog->path, "/wiki");
    assert_string_equal(blog->root, "/etc/cowherd/blog");
    assert_string_equal(blog->rack, "/etc/cowherd/blog/config.ru");
    assert_string_equal(blog->interpreter, "shared");
    assert_string_equal(scripts->name, "*.example.org/");
    assert_null(scripts->rack);
    assert_true(scripts->scripts.enabled);
    assert_string_equal(scripts->scripts.index, "main.rb");
    assert_false(scripts->scripts.cache);
    assert_int_equal(scripts->scripts.follow_symlinks, FOLLOW_ALWAYS);
    assert_int_equal(scripts->hook_count, 2);
    assert_int_equal(scripts->hooks[0].event, HOOK_WORKER_START);
    assert_string_equal(scripts->hooks[0].file, "/srv/scripts/a.rb");
    assert_string_equal(scripts->hooks[0].path, "/");
    assert_true(scripts->hooks[0].cache);
    assert_int_equal(scripts->hooks[1].event, HOOK_LOG);
    assert_string_equal(scripts->hooks[1].file, "/b.rb");
    assert_string_equal(scripts->hooks[1].path, "/x");
    assert_false(scripts->hooks[1].cache);
    assert_true(scripts->store.enabled);
    assert_int_equal(scripts->store.size, 1 << 20);
    assert_string_equal(scripts->store.file, "/srv/scripts/store.db");
    config_release(config);
}

static void prints_what_it_reads_again(void **state)
{
    static const char *const texts[] = {
        everything,
        "pools: {web: {" LISTEN_AND_APP "}}",
        "pools: {a: {listen: a.sock, " APP "}, b: {listen: b.sock, timeouts: {request: 3650d}, " APP "}}",
        "pools: {a: {listen: a.sock, env: {A: \"\\x01\\x1f\\x7f\\x85\\u2028\\ufeff\\uffff\\U0001F600 \\\"'\", B: ' x "
        "'}, " APP "}}",
        "pid_file: 'none'\nlog: {error: 'a: b # c'}\npools: {'1': {listen: [-, 'yes', \"\\t\"], user: 'none', " APP
        "}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct config *first = parse_good(texts[i]);
        char *text = print(first);
        struct config_report report;
        struct config *second = config_parse(text, strlen(text), "printed", "/elsewhere", &report);
        if (!second)
            fail_msg("%s\n%s", report.errors.items[0], text);
        config_report_free(&report);
        char *again = print(second);
        assert_string_equal(again, text);
        free(again);
        free(text);
        config_release(second);
        config_release(first);
    }
}

static void keeps_strings_through_printing(void **state)
{
    static const char *const values[] = {
        "",    " ",      "yes",      "~",      "null",         "0012", "1:2",  "a: b", "a #b", "#",    "-",
        "- a", "?",      "*a",       "&a",     "!a",           "|",    ">",    "'",    "\"",   "\\",   "\\n",
        "%a",  "@a",     "`a",       "{a",     "[a",           "a,b",  "a\nb", "\n",   "\t",   "\x01", "\x7f",
        "é",   "日本",   "\xc2\x85", "\u2028", "\xef\xbb\xbf", "<<",   "=",    ".inf", "a:",   ":a",   "none",
        "[] ", "a\r\nb", "...",      "---",    "\U0001F600",
    };

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct config *config = parse_good("pools: {web: {env: {A: x}, " LISTEN_AND_APP "}}");
        struct config_pair *pair = &config->pools[0].env.items[0];
        free(pair->value);
        pair->value = xstrdup(values[i]);
        char *text = print(config);
        struct config *again = parse_good(text);
        assert_string_equal(again->pools[0].env.items[0].value, values[i]);
        config_release(again);
        free(text);
        config_release(config);
    }
}

static void prints_one_pool_for_its_mold(void **state)
{
    (void)state;
    struct config *config = parse_good("control: /run/c.sock\nlog: {level: warn}\npools: {a: {listen: a.sock, " APP
                                       "}, b: {listen: b.sock, nice: 3, " APP "}}");
    struct strbuf out = { 0 };
    config_print_pool(config, config_pool_find(config, "b"), &out);
    struct config *alone = parse_good(out.data);
    assert_int_equal(alone->pool_count, 1);
    assert_string_equal(alone->pools[0].name, "b");
    assert_int_equal(alone->pools[0].nice, 3);
    assert_string_equal(alone->pools[0].listen[0].address, "/etc/cowherd/b.sock");
    assert_int_equal(alone->log.level, LOG_LEVEL_WARN);
    assert_null(strstr(out.data, "/run/c.sock"));
    strbuf_free(&out);
    config_release(alone);
    config_release(config);
}

static void follows_with_times_that_are_not_given(void **state)
{
    static const struct {
        const char *settings;
        int64_t request, hard, drain;
    } examples[] = {
        { "", 30, 35, 40 },
        { "timeouts: {request: 20s}, ", 20, 35, 40 },
        { "timeouts: {request: 60s}, ", 60, 65, 70 },
        { "timeouts: {request: 33s}, ", 33, 38, 43 },
        { "timeouts: {request: 0}, ", 0, 35, 40 },
        { "timeouts: {hard: 10s}, ", 10, 10, 40 },
        { "timeouts: {hard: 60s}, ", 30, 60, 65 },
        { "timeouts: {hard: 0}, ", 30, 0, 40 },
        { "timeouts: {hard: 0}, restart: {drain_timeout: 1s}, ", 30, 0, 1 },
        { "timeouts: {request: 1s, hard: 2s}, restart: {drain_timeout: 2s}, ", 1, 2, 2 },
        { "timeouts: {request: 0, hard: 2s}, ", 0, 2, 40 },
        { "timeouts: {request: 3650d}, ", 315360000, 315360000, 315360000 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        char *text = xasprintf("pools: {web: {%s" LISTEN_AND_APP "}}", examples[i].settings);
        struct config *config = parse_good(text);
        assert_int_equal(config->pools[0].timeouts.request_ns, examples[i].request * S);
        assert_int_equal(config->pools[0].timeouts.hard_ns, examples[i].hard * S);
        assert_int_equal(config->pools[0].restart.drain_timeout_ns, examples[i].drain * S);
        config_release(config);
        free(text);
    }
}

static void counts_references(void **state)
{
    (void)state;
    struct config *config = parse_good("pools: {web: {" LISTEN_AND_APP "}}");
    assert_ptr_equal(config_retain(config), config);
    config_release(config);
    assert_string_equal(config->pools[0].name, "web");
    config_release(config);
    config_release(NULL);
}

/* --- files --- */

static char directory[64];

static void write_file(const char *name, const char *text, size_t length)
{
    char *path = xasprintf("%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    free(path);
}

static int make_directory(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/cowherd-config-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    char *path = xasprintf("%s/d[1]", directory);
    int result = mkdir(path, 0700);
    free(path);
    return result;
}

static int remove_directory(void **state)
{
    static const char *const names[] = { "main.yml", "big.yml", "d[1]/main.yml", "d[1]/a.yml", "d[1]/b.yml", "d[1]" };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = xasprintf("%s/%s", directory, names[i]);
        remove(path);
        free(path);
    }
    return remove(directory);
}

static char *load_error(const char *name)
{
    char *path = xasprintf("%s/%s", directory, name);
    struct config_report report;
    assert_null(config_load(path, &report));
    assert_int_equal(report.errors.count, 1);
    assert_memory_equal(report.errors.items[0], path, strlen(path));
    char *error = xstrdup(report.errors.items[0] + strlen(path));
    config_report_free(&report);
    free(path);
    return error;
}

static void refuses_files_that_cannot_be_read(void **state)
{
    (void)state;
    char *error = load_error("missing.yml");
    assert_string_equal(error, ": cannot be read: No such file or directory");
    free(error);
    error = load_error("d[1]");
    assert_string_equal(error, ": cannot be read: not a regular file");
    free(error);

    size_t length = 10 << 20;
    char *text = xmalloc(length);
    memset(text, '[', length);
    write_file("big.yml", text, length);
    free(text);
    error = load_error("big.yml");
    assert_string_equal(error, ": the file is longer than 1 MiB");
    free(error);
}

static void includes_files_next_to_it(void **state)
{
    static const char main_text[] = "include: ['?.yml', a.yml, 'x*.yml']\npools: {m: {listen: m.sock, " APP "}}\n";
    static const char a_text[] = "pools: {a: {listen: a.sock, " APP "}}\n", b_text[] = "# nothing yet\n";

    (void)state;
    write_file("d[1]/main.yml", main_text, sizeof main_text - 1);
    write_file("d[1]/a.yml", a_text, sizeof a_text - 1);
    write_file("d[1]/b.yml", b_text, sizeof b_text - 1);
    char *path = xasprintf("%s/d[1]/main.yml", directory);
    struct config_report report;
    struct config *config = config_load(path, &report);
    if (!config)
        fail_msg("%s", report.errors.items[0]);
    assert_string_equal(config->path, path);
    assert_int_equal(config->files.count, 3);
    assert_string_equal(config->files.items[0], path);
    assert_non_null(strstr(config->files.items[1], "/d[1]/a.yml"));
    assert_int_equal(config->pool_count, 2);
    assert_string_equal(config->pools[0].name, "m");
    assert_non_null(strstr(config->pools[1].listen[0].address, "/d[1]/a.sock"));
    config_report_free(&report);
    config_release(config);

    static const char self[] = "include: main.yml\npools: {m: {listen: m.sock, " APP "}}\n";
    write_file("d[1]/main.yml", self, sizeof self - 1);
    assert_null(config_load(path, &report));
    assert_int_equal(report.errors.count, 1);
    assert_non_null(strstr(report.errors.items[0], "main.yml:1:10: include: "));
    assert_non_null(strstr(report.errors.items[0], "the file includes itself"));
    config_report_free(&report);
    free(path);
}

static bool changed_after(void (*change)(void))
{
    static const char main_text[] = "include: 'a*.yml'\n", a_text[] = "pools: {a: {listen: a.sock, " APP "}}\n";
    struct diagnostics diagnostics = { 0 };
    struct config_files files = { .diagnostics = &diagnostics };
    struct binder binder = { .diagnostics = &diagnostics };
    char *path = xasprintf("%s/d[1]/main.yml", directory);

    write_file("d[1]/main.yml", main_text, sizeof main_text - 1);
    write_file("d[1]/a.yml", a_text, sizeof a_text - 1);
    config_files_read(&files, path, path);
    config_files_include(&files, node_find(files.items[0]->root, "include"), &binder);
    assert_int_equal(files.count, 2);
    assert_int_equal(diagnostics.count, 0);
    change();
    bool changed = config_files_changed(&files);
    config_files_free(&files);
    free(path);
    return changed;
}

static void change_nothing(void) {}

static void write_more(void)
{
    static const char longer[] = "pools: {a: {listen: a.sock, " APP "}}\n# and more\n";
    write_file("d[1]/a.yml", longer, sizeof longer - 1);
}

/* Of the same text. */
static void put_another_in_its_place(void)
{
    static const char same[] = "include: 'a*.yml'\n";
    char *from = xasprintf("%s/d[1]/b.yml", directory), *to = xasprintf("%s/d[1]/main.yml", directory);
    write_file("d[1]/b.yml", same, sizeof same - 1);
    assert_int_equal(rename(from, to), 0);
    free(from);
    free(to);
}

static void remove_one(void)
{
    char *path = xasprintf("%s/d[1]/a.yml", directory);
    assert_int_equal(unlink(path), 0);
    free(path);
}

static void notices_files_that_change_while_they_are_read(void **state)
{
    (void)state;
    assert_false(changed_after(change_nothing));
    assert_true(changed_after(write_more));
    assert_true(changed_after(put_another_in_its_place));
    assert_true(changed_after(remove_one));
}

/* --- the table --- */

static void has_a_sound_table(void **state)
{
    (void)state;
    size_t count;
    const struct setting *settings = settings_all(&count);
    for (size_t i = 0; i < count; i++) {
        const struct setting *setting = &settings[i];
        struct strbuf expected = { 0 };
        setting_expected(setting, &expected);
        assert_true(expected.length > 0);
        strbuf_free(&expected);
        size_t length = strlen(setting->help);
        assert_true(length > 10 && setting->help[length - 1] == '.');
        /* sections stand together, keys are unique in theirs */
        for (size_t j = 0; j < i; j++) {
            if (settings[j].section == setting->section) {
                assert_int_equal(settings[i - 1].section, setting->section);
                assert_string_not_equal(settings[j].key, setting->key);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_the_defaults_of_the_contract),
        cmocka_unit_test(reads_every_setting),
        cmocka_unit_test(prints_what_it_reads_again),
        cmocka_unit_test(keeps_strings_through_printing),
        cmocka_unit_test(prints_one_pool_for_its_mold),
        cmocka_unit_test(follows_with_times_that_are_not_given),
        cmocka_unit_test(counts_references),
        cmocka_unit_test_setup_teardown(refuses_files_that_cannot_be_read, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(includes_files_next_to_it, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(notices_files_that_change_while_they_are_read, make_directory,
                                        remove_directory),
        cmocka_unit_test(has_a_sound_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
