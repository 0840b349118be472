/*
 * The configuration: YAML (1.1, libyaml) to typed structures, and back to its canonical form.
 *
 * Times are int64_t nanoseconds, sizes int64_t bytes, 0 means "off" or "no limit" where the settings table says so.
 * All strings are UTF-8, NUL-terminated and owned by the struct config; paths are absolute. A struct config is
 * immutable once loaded and reference-counted (single thread), because generations outlive reloads.
 *
 * One table, settings.def, drives parsing, defaults, the canonical form and the manual.
 */
#ifndef COWHERD_CONFIG_H
#define COWHERD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "log.h"
#include "strbuf.h"

struct config_strings {
    char **items;
    size_t count;
};

struct config_pair {
    char *name;
    char *value;
};

struct config_pairs {
    struct config_pair *items;
    size_t count;
};

enum config_access_format { ACCESS_COMMON, ACCESS_COMBINED, ACCESS_JSON };

struct config_log {
    enum log_level level; /* default info */
    char *error;          /* path, "stderr" or "syslog"; default stderr */
    struct {
        char *path;                       /* path, "stderr", "syslog" or "none"; default none */
        enum config_access_format format; /* default combined */
    } access;
};

enum config_listen_type {
    LISTEN_UNIX,    /* path */
    LISTEN_TCP,     /* host:port, [v6]:port */
    LISTEN_SYSTEMD, /* systemd:NAME */
    LISTEN_STARTER, /* starter:PORT */
};

struct config_listen {
    enum config_listen_type type;
    char *address; /* canonical spelling, unique key of the listener: "/path", "127.0.0.1:9000", "[::1]:9000", ... */
    char *host;    /* TCP: without brackets; else NULL */
    char *port;    /* TCP: decimal; STARTER: what follows the colon; else NULL */
};

struct config_socket {
    char *owner;                 /* NULL: unchanged */
    char *group;                 /* NULL: unchanged */
    mode_t mode;                 /* default 0660 */
    int backlog;                 /* default 1024 */
    struct config_strings allow; /* addresses or prefixes (10.0.0.0/8); empty: everyone (unix sockets: always) */
};

struct config_workers { /* `workers: 5` is min = max = 5 */
    unsigned min;       /* default max */
    unsigned max;       /* default 2 */
    unsigned spare;     /* default 1 */
    int64_t idle_ns;    /* default 10s */
};

struct config_rlimit {
    char *name;    /* as in setrlimit(2) without RLIMIT_, lower case: "nofile", "as", "core", ... */
    int64_t value; /* -1: unlimited */
};

enum config_allocator { ALLOCATOR_GLIBC, ALLOCATOR_JEMALLOC, ALLOCATOR_MIMALLOC };
enum config_gc { GC_AFTER_REQUEST, GC_IDLE, GC_AUTOMATIC };
enum config_surge { SURGE_AUTO, SURGE_GENERATION, SURGE_ONE_BY_ONE };
enum config_follow { FOLLOW_NEVER, FOLLOW_OWNER, FOLLOW_ALWAYS };
enum config_sendfile { SENDFILE_X_ACCEL_REDIRECT, SENDFILE_X_SENDFILE };
enum config_hook_event { HOOK_PRELOAD, HOOK_WORKER_START, HOOK_WORKER_STOP, HOOK_ACCESS, HOOK_LOG };

struct config_hook {
    enum config_hook_event event;
    char *file;
    char *path; /* prefix; default "/" */
    bool cache; /* default true */
};

struct config_app {
    char *name;        /* HOST + path, e.g. "blog.example.org/", for logs and the status; unique in its pool */
    char *host;        /* lower case; "*.suffix" or "*" allowed; default "*" */
    char *path;        /* prefix, starts with "/", no trailing "/" but for the root itself; default "/" */
    char *root;        /* absolute directory */
    char *rack;        /* absolute file, NULL when the app has none */
    char *interpreter; /* name of a shared interpreter, NULL: one of its own */
    struct {
        bool enabled;                       /* the app has `scripts:` */
        char *index;                        /* default "index.rb" */
        bool cache;                         /* default true */
        enum config_follow follow_symlinks; /* default owner */
    } scripts;
    struct config_hook *hooks;
    size_t hook_count;
    struct {
        bool enabled; /* the app has `sendfile:` */
        enum config_sendfile header;
        char *from; /* absolute directory; NULL: the root */
        char *to;   /* prefix of a URL's path, never "/"; default "/sendfile" */
    } sendfile;
    struct {
        bool enabled;
        int64_t size; /* bytes, default 16 MiB */
        char *file;   /* NULL for `none` */
        char *name;   /* of one that the pool's apps share, NULL: its own */
    } store;
};

struct config_pool {
    char *name;
    char *place; /* "file:line:column" for a message */
    struct config_listen *listen;
    size_t listen_count;
    struct config_socket socket;
    char *user;        /* NULL: unchanged */
    char *group;       /* NULL: the user's primary group, unchanged without user */
    mode_t umask;      /* default 0022 */
    int nice;          /* default 0 */
    int oom_score_adj; /* default 100 */
    struct config_rlimit *rlimits;
    size_t rlimit_count;
    char *chroot;      /* NULL: none; else the directory that holds what the pool loads */
    bool no_new_privs; /* default true */
    struct config_workers workers;
    struct config_strings preload; /* absolute files */
    struct config_pairs env;
    enum config_allocator allocator;
    char *allocator_place; /* "file:line:column" for a message; NULL where the setting is not given */
    struct {
        int64_t requests;         /* 0: off; default 0 */
        int64_t age_ns;           /* 0: off; default 0 */
        int64_t private_memory;   /* bytes grown since the fork; 0: off; default 0 */
        int64_t symbols;          /* interned since the fork; 0: off; default 20000 */
        int jitter;               /* percent, default 10 */
        unsigned max_unavailable; /* default 1 */
    } recycle;
    struct {
        int64_t interval_ns;      /* 0: off; default 0 */
        int64_t ready_timeout_ns; /* default 30s */
        int64_t drain_timeout_ns; /* default 40s, or hard + 5s when that is more; never shorter than hard */
        enum config_surge surge;  /* default auto */
        char *env_dir;            /* NULL: none */
    } restart;
    struct {
        int64_t request_ns; /* default 30s, or hard when that is less; 0: off */
        int64_t hard_ns;    /* default 35s, or request + 5s when that is more; 0: off; not shorter than request */
        int64_t header_ns;  /* default 2s */
        int64_t body_ns;    /* default 30s */
        int64_t idle_ns;    /* default 60s */
    } timeouts;
    struct {
        int64_t body;       /* default 128 MiB; 0: no limit */
        int64_t header;     /* default 64 KiB; at most 1 MiB */
        int64_t small_body; /* default 64 KiB; at most 1 MiB; 0: none is waited for */
    } limits;
    enum config_gc gc;
    bool frozen;                  /* default true */
    int64_t memory;               /* budget of the pool; 0: none; default 0 */
    struct config_strings warmup; /* request paths */
    bool show_errors;             /* default false */
    struct config_app *apps;
    size_t app_count;
};

struct config {
    unsigned references;
    char *path;     /* absolute, of the file it came from; "" when parsed from memory */
    char *control;  /* default /run/cowherd/control.sock */
    char *pid_file; /* NULL: none; default none */
    struct config_log log;
    char *status_listen; /* NULL: none */
    struct config_pool *pools;
    size_t pool_count;
    struct config_strings files; /* every file read: the main one, then the included ones */
};

/*
 * Everything found wrong, in file order; each is one line "file:line:column: text", or "file: text" when it concerns
 * the file as a whole (it can't be read, it is too long). No line holds a control character.
 */
struct config_report {
    struct config_strings errors;
};

/*
 * Reads `path` and what it includes (patterns relative to the file; included files hold `pools` alone and include
 * nothing themselves). All of them as they were at one moment: when one changes meanwhile they are read again, and it
 * is an error when that does not end. NULL when there are errors; the report then has at least one line. Free the
 * report with config_report_free.
 */
struct config *config_load(const char *path, struct config_report *report);

/*
 * The same from memory: `name` stands for the file in messages, relative paths are relative to `directory` (absolute).
 */
struct config *config_parse(const char *text, size_t length, const char *name, const char *directory,
                            struct config_report *report);

struct config *config_retain(struct config *config);
void config_release(struct config *config); /* NULL is fine */
void config_report_free(struct config_report *report);

/* The pool of that name, or NULL. */
const struct config_pool *config_pool_find(const struct config *config, const char *name);

/*
 * Appends the canonical form: every setting, defaults included, in the table's order, paths absolute, no include.
 * Parsing it again gives an equal configuration whose canonical form is the same text.
 */
void config_print(const struct config *config, struct strbuf *out);

/* The canonical form of one pool and its log settings alone: what a mold is given. Parses as a whole configuration. */
void config_print_pool(const struct config *config, const struct config_pool *pool, struct strbuf *out);

#endif
