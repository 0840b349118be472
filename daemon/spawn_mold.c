#include "spawn_mold.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mold_environment.h"
#include "own_program.h"
#include "strbuf.h"
#include "xalloc.h"

extern char **environ;

char *spawn_mold_path(void)
{
    /* To a cowherd in /usr/sbin one with gems of its own, built on this machine, comes before the packaged one. */
    static const char *const places[] = { "cowherd-mold", "../local/libexec/cowherd/cowherd-mold",
                                          "../libexec/cowherd/cowherd-mold", "../lib/cowherd/cowherd-mold" };
    const char *self = own_program_path();
    if (!self)
        return NULL;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *path = xasprintf("%.*s/%s", (int)(strrchr(self, '/') - self), self, places[i]);
        if (access(path, X_OK) == 0)
            return path;
        free(path);
    }
    errno = ENOENT;
    return NULL;
}

int spawn_memfd(const char *name, const char *bytes, size_t length)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0)
        return -1;
    for (size_t written = 0; written < length;) {
        ssize_t put = pwrite(fd, bytes + written, length - written, (off_t)written);
        if (put < 0 && errno != EINTR) {
            int error = errno;
            close(fd);
            errno = error;
            return -1;
        }
        if (put > 0)
            written += (size_t)put;
    }
    return fd;
}

static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setpgroup(attributes, 0);
    return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

/* `inherited` keep their numbers; `output` -1 leaves standard output and error as they are. */
static pid_t spawn_program(const char *path, char *const environment[], char *const arguments[], const int *inherited,
                           size_t count, int output)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int error = set_attributes(&attributes);
    if (error == 0)
        error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (error == 0 && output >= 0) {
        error = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
        if (error == 0)
            error = posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    }
    /* A descriptor duplicated onto itself loses its close-on-exec flag. */
    for (size_t i = 0; i < count && error == 0; i++)
        error = posix_spawn_file_actions_adddup2(&actions, inherited[i], inherited[i]);
    pid_t pid = -1;
    if (error == 0)
        error = posix_spawn(&pid, path, &actions, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return pid;
}

static pid_t spawn(const struct config_pool *pool, char *const *outer, const char *library, char *const arguments[],
                   const int *inherited, size_t count, int output)
{
    char *path = spawn_mold_path();
    if (!path)
        return -1;
    char **environment = mold_environment(outer, pool, library);
    pid_t pid = spawn_program(path, environment, arguments, inherited, count, output);
    int error = errno;
    mold_environment_free(environment);
    free(path);
    errno = error;
    return pid;
}

/* What every child of a pool is given: descriptors, which keep their numbers, and their numbers as text. */
struct inheritance {
    int *descriptors;
    size_t count;
    struct strbuf listeners, stores; /* comma-separated */
    char config[16], scoreboard[16], channel[16], handback[16];
};

static void hand_list(struct inheritance *handed, struct strbuf *text, const int *descriptors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        strbuf_printf(text, "%s%d", i ? "," : "", descriptors[i]);
        handed->descriptors[handed->count++] = descriptors[i];
    }
}

static struct inheritance hand(const struct spawn_mold *options)
{
    struct inheritance handed = { .descriptors = xcalloc(options->listener_count + options->store_count + 5,
                                                         sizeof *handed.descriptors) };
    hand_list(&handed, &handed.listeners, options->listeners, options->listener_count);
    hand_list(&handed, &handed.stores, options->stores, options->store_count);
    handed.descriptors[handed.count++] = options->config;
    handed.descriptors[handed.count++] = options->scoreboard;
    handed.descriptors[handed.count++] = options->channel;
    if (options->access_log >= 0)
        handed.descriptors[handed.count++] = options->access_log;
    if (options->handback >= 0)
        handed.descriptors[handed.count++] = options->handback;
    snprintf(handed.config, sizeof handed.config, "%d", options->config);
    snprintf(handed.scoreboard, sizeof handed.scoreboard, "%d", options->scoreboard);
    snprintf(handed.channel, sizeof handed.channel, "%d", options->channel);
    snprintf(handed.handback, sizeof handed.handback, "%d", options->handback);
    return handed;
}

/* Leaves errno alone. */
static void inheritance_free(struct inheritance *handed)
{
    int error = errno;
    free(handed->descriptors);
    strbuf_free(&handed->listeners);
    strbuf_free(&handed->stores);
    errno = error;
}

pid_t spawn_fallback(const struct spawn_mold *options)
{
    struct inheritance handed = hand(options);
    char *title = xasprintf("cowherd: %s", options->pool->name);
    char *arguments[] = { title,
                          "fallback",
                          "--config-fd",
                          handed.config,
                          "--scoreboard-fd",
                          handed.scoreboard,
                          "--channel-fd",
                          handed.channel,
                          "--listen-fds",
                          handed.listeners.data,
                          options->handback >= 0 ? "--handback-fd" : NULL,
                          handed.handback,
                          NULL };
    char **environment = mold_environment(environ, options->pool, NULL);
    pid_t pid = spawn_program(own_program(), environment, arguments, handed.descriptors, handed.count, options->output);
    int error = errno;
    mold_environment_free(environment);
    free(title);
    errno = error;
    inheritance_free(&handed);
    return pid;
}

pid_t spawn_mold(const struct spawn_mold *options)
{
    struct inheritance handed = hand(options);
    char access_log[16], generation[16], limit[24];
    snprintf(access_log, sizeof access_log, "%d", options->access_log);
    snprintf(generation, sizeof generation, "%u", options->generation);
    snprintf(limit, sizeof limit, "%lu", options->descriptor_limit);
    char *arguments[] = { "cowherd-mold",
                          "--config-fd",
                          handed.config,
                          "--scoreboard-fd",
                          handed.scoreboard,
                          "--channel-fd",
                          handed.channel,
                          "--listen-fds",
                          handed.listeners.data ? handed.listeners.data : "",
                          "--store-fds",
                          handed.stores.data ? handed.stores.data : "",
                          "--access-log-fd",
                          access_log,
                          "--handback-fd",
                          handed.handback,
                          "--generation",
                          generation,
                          "--descriptor-limit",
                          limit,
                          options->tell_files ? "--tell-files" : NULL,
                          NULL };
    pid_t pid = spawn(options->pool, options->environment, options->library, arguments, handed.descriptors,
                      handed.count, options->output);
    inheritance_free(&handed);
    return pid;
}

pid_t spawn_status_server(int listener, int channel, int output)
{
    char listener_number[16], channel_number[16];
    snprintf(listener_number, sizeof listener_number, "%d", listener);
    snprintf(channel_number, sizeof channel_number, "%d", channel);
    char *arguments[] = { "cowherd: status", "status-server", "--listen-fd", listener_number,
                          "--channel-fd",    channel_number,  NULL };
    return spawn_program(own_program(), (char *[]){ NULL }, arguments, (int[]){ listener, channel }, 2, output);
}

int spawn_mold_check(const struct config_pool *pool, const char *library, int config)
{
    char number[16];
    snprintf(number, sizeof number, "%d", config);
    char *arguments[] = { "cowherd-mold", "--check", "--config-fd", number, NULL };
    pid_t pid = spawn(pool, environ, library, arguments, &config, 1, -1);
    if (pid < 0)
        return -1;
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
