#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

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

static int become(const struct config_pool *pool, struct strbuf *error)
{
    uid_t user = geteuid();
    gid_t group = getegid();
    if (pool->user) {
        struct passwd *entry = getpwnam(pool->user);
        if (!entry) {
            strbuf_printf(error, "user: there is no user \"%s\"", pool->user);
            return -1;
        }
        user = entry->pw_uid;
        group = entry->pw_gid;
    }
    if (pool->group) {
        struct group *entry = getgrnam(pool->group);
        if (!entry) {
            strbuf_printf(error, "group: there is no group \"%s\"", pool->group);
            return -1;
        }
        group = entry->gr_gid;
    }
    if (user == geteuid() && group == getegid())
        return 0;
    if (geteuid() != 0) {
        strbuf_puts(error,
                    "user: only root can change to another user or group; start cowherd as root, or as that user");
        return -1;
    }
    int grouped = pool->user ? initgroups(pool->user, group) : setgroups(1, &group);
    if (grouped < 0 || setresgid(group, group, group) < 0 || setresuid(user, user, user) < 0) {
        strbuf_printf(error, "user: %s", strerror(errno));
        return -1;
    }
    if (user != 0 && setuid(0) == 0) {
        strbuf_puts(error, "user: the change of user could be undone");
        return -1;
    }
    return 0;
}

int privileges_apply(const struct config_pool *pool, struct strbuf *error)
{
    for (size_t i = 0; i < pool->rlimit_count; i++)
        if (apply_limit(&pool->rlimits[i], error) < 0)
            return -1;
    if (pool->nice != 0 && setpriority(PRIO_PROCESS, 0, pool->nice) < 0) {
        strbuf_printf(error, "nice: %s", strerror(errno));
        return -1;
    }
    umask(pool->umask);
    return become(pool, error);
}
