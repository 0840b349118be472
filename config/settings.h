/*
 * The settings table in settings.def as data.
 */
#ifndef COWHERD_SETTINGS_H
#define COWHERD_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

/* SECTION_LIST(X): X(name, the struct that its fields are in) */
#define SECTION_LIST(X)                                                                                                \
    X(TOP, struct config)                                                                                              \
    X(LOG, struct config)                                                                                              \
    X(ACCESS, struct config)                                                                                           \
    X(STATUS, struct config)                                                                                           \
    X(POOL, struct config_pool)                                                                                        \
    X(SOCKET, struct config_pool)                                                                                      \
    X(WORKERS, struct config_pool)                                                                                     \
    X(RECYCLE, struct config_pool)                                                                                     \
    X(RESTART, struct config_pool)                                                                                     \
    X(TIMEOUTS, struct config_pool)                                                                                    \
    X(LIMITS, struct config_pool)                                                                                      \
    X(APP, struct config_app)                                                                                          \
    X(SCRIPTS, struct config_app)                                                                                      \
    X(HOOK, struct config_hook)                                                                                        \
    X(SENDFILE, struct config_app)                                                                                     \
    X(STORE, struct config_app)

enum section {
#define X(name, type) SECTION_##name,
    SECTION_LIST(X)
#undef X
};

/* The field's C type is in brackets. */
enum setting_type {
    /* numbers */
    SETTING_BOOLEAN,  /* bool */
    SETTING_INTEGER,  /* int */
    SETTING_COUNT,    /* unsigned */
    SETTING_NUMBER,   /* int64_t */
    SETTING_DURATION, /* int64_t, nanoseconds */
    SETTING_SIZE,     /* int64_t, bytes */
    SETTING_PERCENT,  /* int */
    SETTING_MODE,     /* mode_t */
    SETTING_WORDS,    /* an enum whose values follow `words` */
    /* strings: char *, NULL for `none` */
    SETTING_ACCOUNT,
    SETTING_IDENTIFIER,
    SETTING_FILE_NAME,
    SETTING_PATH,
    SETTING_SOCKET_PATH,
    SETTING_ROOT_PATH,  /* relative to the app's root */
    SETTING_LOG_TARGET, /* a path or one of `words` */
    SETTING_STATUS_ADDRESS,
    SETTING_HOST,
    SETTING_URL_PATH,
    /* lists of strings: struct config_strings */
    SETTING_PATHS,
    SETTING_REQUESTS,
    SETTING_ALLOW,
    /* the rest: each is in one place only */
    SETTING_LISTEN,
    SETTING_ENVIRONMENT,
    SETTING_RLIMITS,
    SETTING_WORKERS,
    SETTING_SECTION,
    SETTING_OPTIONAL_SECTION, /* bool: is it there */
    SETTING_HOOKS,
    SETTING_APPS,
    SETTING_POOLS,
    SETTING_INCLUDE, /* no field: the result is in `pools` */
};

/* For a switch over the types: the strings, and the lists of strings. */
#define CASES_STRING                                                                                                   \
    case SETTING_ACCOUNT:                                                                                              \
    case SETTING_IDENTIFIER:                                                                                           \
    case SETTING_FILE_NAME:                                                                                            \
    case SETTING_PATH:                                                                                                 \
    case SETTING_SOCKET_PATH:                                                                                          \
    case SETTING_ROOT_PATH:                                                                                            \
    case SETTING_LOG_TARGET:                                                                                           \
    case SETTING_STATUS_ADDRESS:                                                                                       \
    case SETTING_HOST:                                                                                                 \
    case SETTING_URL_PATH
#define CASES_STRINGS                                                                                                  \
    case SETTING_PATHS:                                                                                                \
    case SETTING_REQUESTS:                                                                                             \
    case SETTING_ALLOW

enum setting_reload { RELOAD_LIVE, RELOAD_GENERATION, RELOAD_RESTART };

struct setting {
    enum section section;
    const char *key;
    enum setting_type type;
    enum section child; /* sections */
    size_t offset;
    int64_t min;
    int64_t max; /* lists: entries */
    const char *const *words;
    const char *default_text; /* NULL: required */
    enum setting_reload reload;
    const char *help;
};

/* The settings of a section, in order. */
const struct setting *settings_of(enum section section, size_t *count);

/* All of them. */
const struct setting *settings_all(size_t *count);

/* Whether `none` is a value of this setting. */
bool setting_is_optional(const struct setting *setting);

/* What a value has to be, as it stands in a message behind "expected ". */
void setting_expected(const struct setting *setting, struct strbuf *out);

size_t words_count(const char *const *words);

/* The limits that a process can have. */
struct rlimit_kind {
    const char *name;
    bool bytes;
};
const struct rlimit_kind *rlimit_kinds(size_t *count);
const struct rlimit_kind *rlimit_kind_find(const char *name);

#endif
