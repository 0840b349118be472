#include "settings.h"

#include <inttypes.h>
#include <string.h>

#include "values.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* Words in the order of their enums. */
static const char *const log_level_words[] = { "error", "warn", "info", "debug", NULL };
static const char *const access_format_words[] = { "common", "combined", "json", NULL };
static const char *const allocator_words[] = { "glibc", "jemalloc", "mimalloc", NULL };
static const char *const gc_words[] = { "after_request", "idle", "automatic", NULL };
static const char *const surge_words[] = { "auto", "generation", "one_by_one", NULL };
static const char *const follow_words[] = { "never", "owner", "always", NULL };
static const char *const hook_event_words[] = { "preload", "worker_start", "worker_stop", "access", "log", NULL };
static const char *const sendfile_words[] = { "X-Accel-Redirect", "X-Sendfile", NULL };
static const char *const error_target_words[] = { "stderr", "syslog", NULL };
static const char *const access_target_words[] = { "stderr", "syslog", "none", NULL };

_Static_assert(LOG_LEVEL_ERROR == 0 && LOG_LEVEL_DEBUG == LENGTH(log_level_words) - 2, "log_level_words");
_Static_assert(ACCESS_COMMON == 0 && ACCESS_JSON == LENGTH(access_format_words) - 2, "access_format_words");
_Static_assert(ALLOCATOR_GLIBC == 0 && ALLOCATOR_MIMALLOC == LENGTH(allocator_words) - 2, "allocator_words");
_Static_assert(GC_AFTER_REQUEST == 0 && GC_AUTOMATIC == LENGTH(gc_words) - 2, "gc_words");
_Static_assert(SURGE_AUTO == 0 && SURGE_ONE_BY_ONE == LENGTH(surge_words) - 2, "surge_words");
_Static_assert(FOLLOW_NEVER == 0 && FOLLOW_ALWAYS == LENGTH(follow_words) - 2, "follow_words");
_Static_assert(HOOK_PRELOAD == 0 && HOOK_LOG == LENGTH(hook_event_words) - 2, "hook_event_words");

#define X(name, type) typedef type STRUCT_##name;
SECTION_LIST(X)
#undef X

#define BOOLEAN .type = SETTING_BOOLEAN
#define INTEGER(low, high) .type = SETTING_INTEGER, .min = (low), .max = (high)
#define COUNT(low, high) .type = SETTING_COUNT, .min = (low), .max = (high)
#define NUMBER(low) .type = SETTING_NUMBER, .min = (low), .max = INT64_MAX
#define DURATION(low) .type = SETTING_DURATION, .min = (low), .max = VALUE_DURATION_MAX
#define SIZE(low, high) .type = SETTING_SIZE, .min = (low), .max = (high)
#define PERCENT .type = SETTING_PERCENT, .max = 100
#define MODE(high) .type = SETTING_MODE, .max = (high)
#define WORDS(list) .type = SETTING_WORDS, .words = (list)
#define ACCOUNT .type = SETTING_ACCOUNT
#define IDENTIFIER .type = SETTING_IDENTIFIER
#define FILE_NAME .type = SETTING_FILE_NAME
#define PATH .type = SETTING_PATH
#define SOCKET_PATH .type = SETTING_SOCKET_PATH
#define ROOT_PATH .type = SETTING_ROOT_PATH
#define LOG_TARGET(list) .type = SETTING_LOG_TARGET, .words = (list)
#define STATUS_ADDRESS .type = SETTING_STATUS_ADDRESS
#define HOST .type = SETTING_HOST
#define URL_PATH .type = SETTING_URL_PATH
#define PATHS(high) .type = SETTING_PATHS, .max = (high)
#define REQUESTS(high) .type = SETTING_REQUESTS, .max = (high)
#define ALLOW(high) .type = SETTING_ALLOW, .max = (high)
#define LISTEN(high) .type = SETTING_LISTEN, .max = (high)
#define ENVIRONMENT(high) .type = SETTING_ENVIRONMENT, .max = (high)
#define RLIMITS .type = SETTING_RLIMITS, .max = 32
#define WORKERS .type = SETTING_WORKERS, .min = 1, .max = 1024, .child = SECTION_WORKERS
#define SECTION(name) .type = SETTING_SECTION, .child = SECTION_##name
#define OPTIONAL_SECTION(name) .type = SETTING_OPTIONAL_SECTION, .child = SECTION_##name
#define HOOKS(high) .type = SETTING_HOOKS, .max = (high), .child = SECTION_HOOK
#define APPS(high) .type = SETTING_APPS, .max = (high), .child = SECTION_APP
#define POOLS(high) .type = SETTING_POOLS, .max = (high), .child = SECTION_POOL
#define INCLUDE .type = SETTING_INCLUDE, .max = 64
#define REQUIRED NULL

#define SETTING(section_, key_, type_, field_, default_, reload_, help_)                                               \
    {                                                                                                                  \
        .section = SECTION_##section_,                                                                                 \
        .key = #key_,                                                                                                  \
        type_,                                                                                                         \
        .offset = offsetof(STRUCT_##section_, field_),                                                                 \
        .default_text = default_,                                                                                      \
        .reload = RELOAD_##reload_,                                                                                    \
        .help = help_,                                                                                                 \
    },

static const struct setting table[] = {
#include "settings.def"
};

const struct setting *settings_of(enum section section, size_t *count)
{
    size_t first = 0;
    while (first < LENGTH(table) && table[first].section != section)
        first++;
    size_t end = first;
    while (end < LENGTH(table) && table[end].section == section)
        end++;
    *count = end - first;
    return &table[first];
}

const struct setting *settings_all(size_t *count)
{
    *count = LENGTH(table);
    return table;
}

bool setting_is_optional(const struct setting *setting)
{
    return setting->default_text != NULL && strcmp(setting->default_text, "none") == 0 &&
           setting->type != SETTING_LOG_TARGET;
}

size_t words_count(const char *const *words)
{
    size_t count = 0;
    while (words[count] != NULL)
        count++;
    return count;
}

/* "a, b or c" */
static void list_words(struct strbuf *out, const char *const *words)
{
    size_t count = words_count(words);
    for (size_t i = 0; i < count; i++)
        strbuf_printf(out, "%s%s", i == 0 ? "" : i + 1 == count ? " or " : ", ", words[i]);
}

static void expected_integer(const struct setting *setting, struct strbuf *out)
{
    if (setting->max == INT64_MAX)
        strbuf_printf(out, "a whole number, %" PRId64 " or more", setting->min);
    else
        strbuf_printf(out, "a whole number from %" PRId64 " to %" PRId64, setting->min, setting->max);
}

static void expected_size(const struct setting *setting, struct strbuf *out)
{
    strbuf_puts(out, "a size such as 64KiB, 32MiB or 4096");
    if (setting->max == INT64_MAX)
        return;
    strbuf_puts(out, ", from ");
    value_print_size(out, setting->min);
    strbuf_puts(out, " to ");
    value_print_size(out, setting->max);
}

void setting_expected(const struct setting *setting, struct strbuf *out)
{
    switch (setting->type) {
    case SETTING_INTEGER:
    case SETTING_COUNT:
    case SETTING_NUMBER: expected_integer(setting, out); return;
    case SETTING_SIZE: expected_size(setting, out); return;
    case SETTING_WORDS: list_words(out, setting->words); return;
    case SETTING_LOG_TARGET: strbuf_puts(out, "a path, "), list_words(out, setting->words); return;
    case SETTING_WORKERS: expected_integer(setting, out), strbuf_puts(out, ", or a mapping with min and max"); return;
    default: break;
    }
    static const char *const phrases[] = {
        [SETTING_BOOLEAN] = "true or false",
        [SETTING_DURATION] = "a duration such as 30s or 1h",
        [SETTING_PERCENT] = "a percentage such as 10%",
        [SETTING_MODE] = "octal permission bits such as \"0660\"",
        [SETTING_ACCOUNT] = "the name of an account",
        [SETTING_IDENTIFIER] = "a name",
        [SETTING_FILE_NAME] = "the name of a file",
        [SETTING_PATH] = "a path",
        [SETTING_SOCKET_PATH] = "the path of a socket",
        [SETTING_ROOT_PATH] = "a path",
        [SETTING_STATUS_ADDRESS] = "the path of a socket or a loopback address",
        [SETTING_HOST] = "a host such as blog.example.org, *.example.org or *",
        [SETTING_URL_PATH] = "a path that begins with /",
        [SETTING_PATHS] = "a path or a list of paths",
        [SETTING_REQUESTS] = "the path of a request or a list of these",
        [SETTING_ALLOW] = "an address, a prefix or a list of these",
        [SETTING_LISTEN] = "an address to listen on or a list of these",
        [SETTING_ENVIRONMENT] = "a mapping of variables to values",
        [SETTING_RLIMITS] = "a mapping of limits",
        [SETTING_SECTION] = "a mapping of settings",
        [SETTING_OPTIONAL_SECTION] = "a mapping of settings ({} for the defaults)",
        [SETTING_HOOKS] = "a list of hooks",
        [SETTING_APPS] = "a list of apps",
        [SETTING_POOLS] = "a mapping of names to pools",
        [SETTING_INCLUDE] = "a path, a pattern or a list of these",
    };
    strbuf_puts(out, phrases[setting->type]);
    if (setting_is_optional(setting))
        strbuf_puts(out, ", or none");
}

static const struct rlimit_kind rlimits[] = {
    { "as", true },      { "core", true },     { "cpu", false },    { "data", true },        { "fsize", true },
    { "memlock", true }, { "msgqueue", true }, { "nice", false },   { "nofile", false },     { "nproc", false },
    { "rss", true },     { "rtprio", false },  { "rttime", false }, { "sigpending", false }, { "stack", true },
};

const struct rlimit_kind *rlimit_kinds(size_t *count)
{
    *count = LENGTH(rlimits);
    return rlimits;
}

const struct rlimit_kind *rlimit_kind_find(const char *name)
{
    for (size_t i = 0; i < LENGTH(rlimits); i++) {
        if (strcmp(rlimits[i].name, name) == 0)
            return &rlimits[i];
    }
    return NULL;
}
