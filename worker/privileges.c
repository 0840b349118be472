#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "oom_score.h"

struct identity {
    uid_t user;
    gid_t group;
    bool changes;
};

static const struct {
    const char *name;
    __rlimit_resource_t resource;
} limits[] = {
    { "as", RLIMIT_AS },           { "core", RLIMIT_CORE },         { "cpu", RLIMIT_CPU },
    { "data", RLIMIT_DATA },       { "fsize", RLIMIT_FSIZE },       { "locks", RLIMIT_LOCKS },
    { "memlock", RLIMIT_MEMLOCK }, { "msgqueue", RLIMIT_MSGQUEUE }, { "nice", RLIMIT_NICE },
    { "nofile", RLIMIT_NOFILE },   { "nproc", RLIMIT_NPROC },       { "rss", RLIMIT_RSS },
    { "rtprio", RLIMIT_RTPRIO },   { "rttime", RLIMIT_RTTIME },     { "sigpending", RLIMIT_SIGPENDING },
    { "stack", RLIMIT_STACK },
};

static int apply_limit(const struct config_rlimit *limit, struct strbuf *error)
{
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        if (strcmp(limits[i].name, limit->name) != 0)
            continue;
        rlim_t value = limit->value < 0 ? RLIM_INFINITY : (rlim_t)limit->value;
        struct rlimit both = { .rlim_cur = value, .rlim_max = value };
        /* At the hard limit it would be a SIGKILL, which tells nobody why. */
        if (limits[i].resource == RLIMIT_CPU && value != RLIM_INFINITY)
            both.rlim_max++;
        if (setrlimit(limits[i].resource, &both) == 0)
            return 0;
        strbuf_printf(error, "rlimits.%s: %s", limit->name, strerror(errno));
        return -1;
    }
    strbuf_printf(error, "rlimits.%s: there is no such limit", limit->name);
    return -1;
}

static int look_up(const struct config_pool *pool, struct identity *identity, struct strbuf *error)
{
    *identity = (struct identity){ .user = geteuid(), .group = getegid() };
    if (pool->user) {
        struct passwd *entry = getpwnam(pool->user);
        if (!entry) {
            strbuf_printf(error, "user: there is no user \"%s\"", pool->user);
            return -1;
        }
        identity->user = entry->pw_uid;
        identity->group = entry->pw_gid;
    }
    if (pool->group) {
        struct group *entry = getgrnam(pool->group);
        if (!entry) {
            strbuf_printf(error, "group: there is no group \"%s\"", pool->group);
            return -1;
        }
        identity->group = entry->gr_gid;
    }
    identity->changes = identity->user != geteuid() || identity->group != getegid();
    if (identity->changes && geteuid() != 0) {
        strbuf_puts(error,
                    "user: only root can change to another user or group; start cowherd as root, or as that user");
        return -1;
    }
    return 0;
}

/* The group database is read here, before the root directory changes. */
static int set_groups(const struct config_pool *pool, const struct identity *identity, struct strbuf *error)
{
    if (!identity->changes)
        return 0;
    int grouped = pool->user ? initgroups(pool->user, identity->group) : setgroups(1, &identity->group);
    if (grouped == 0 && setresgid(identity->group, identity->group, identity->group) == 0)
        return 0;
    strbuf_printf(error, "group: %s", strerror(errno));
    return -1;
}

static int set_user(const struct identity *identity, struct strbuf *error)
{
    if (identity->changes && setresuid(identity->user, identity->user, identity->user) < 0) {
        strbuf_printf(error, "user: %s", strerror(errno));
        return -1;
    }
    if (identity->changes && identity->user != 0 && setuid(0) == 0) {
        strbuf_puts(error, "user: the change of user could be undone");
        return -1;
    }
    return 0;
}

static int change_root(const struct config_pool *pool, struct strbuf *error)
{
    if (!pool->chroot)
        return 0;
    /* The time zone's file may not be there inside. */
    tzset();
    if (chroot(pool->chroot) == 0 && chdir("/") == 0)
        return 0;
    strbuf_printf(error, "chroot: %s: %s", pool->chroot,
                  errno == EPERM ? "only root can change the root directory" : strerror(errno));
    return -1;
}

/* What a user's process was started with, such as ambient capabilities from a unit, is the supervisor's alone. */
static int drop_capabilities(const struct identity *identity, struct strbuf *error)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

    if (identity->user == 0)
        return 0;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 && syscall(SYS_capset, &header, none) == 0)
        return 0;
    strbuf_printf(error, "the capabilities can't be given up: %s", strerror(errno));
    return -1;
}

/* Without the privilege for less a worker stays as likely to go as the supervisor: only a wish to be spared fails. */
static void set_oom_score(const struct config_pool *pool)
{
    if (oom_score_set(pool->oom_score_adj) < 0 && (errno != EACCES || pool->oom_score_adj < 0))
        log_warn("oom_score_adj: %d can't be had", pool->oom_score_adj);
}

static int set_priority(const struct config_pool *pool, struct strbuf *error)
{
    if (pool->nice == 0 || setpriority(PRIO_PROCESS, 0, pool->nice) == 0)
        return 0;
    strbuf_printf(error, "nice: %s", strerror(errno));
    return -1;
}

int privileges_apply(const struct config_pool *pool, struct strbuf *error)
{
    struct identity identity;

    if (look_up(pool, &identity, error) < 0)
        return -1;
    for (size_t i = 0; i < pool->rlimit_count; i++)
        if (apply_limit(&pool->rlimits[i], error) < 0)
            return -1;
    set_oom_score(pool);
    umask(pool->umask);
    if (set_priority(pool, error) < 0 || set_groups(pool, &identity, error) < 0 || change_root(pool, error) < 0 ||
        set_user(&identity, error) < 0 || drop_capabilities(&identity, error) < 0)
        return -1;
    if (pool->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        strbuf_printf(error, "no_new_privs: %s", strerror(errno));
        return -1;
    }
    return 0;
}
