#include "logs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

static int error_fd = -1;
static int access_fd = -1;

/* A descriptor above the standard three for a path, "stderr", or -1 with *wanted false when no file is meant. */
static int open_sink(const char *path, const char *key, bool *wanted, struct strbuf *error)
{
    *wanted = false;
    if (strcmp(path, "none") == 0 || strcmp(path, "syslog") == 0)
        return -1;
    *wanted = true;
    int fd;
    if (strcmp(path, "stderr") == 0)
        fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    else
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    if (fd < 0)
        strbuf_printf(error, "%s: %s: %s", key, path, strerror(errno));
    return fd;
}

static void replace(int *old, int new)
{
    if (*old >= 0)
        close(*old);
    *old = new;
}

int logs_open(const struct config_log *settings, struct strbuf *error)
{
    bool error_wanted, access_wanted;
    int new_error = open_sink(settings->error, "log.error", &error_wanted, error);
    if (error_wanted && new_error < 0)
        return -1;
    int new_access = open_sink(settings->access.path, "log.access.path", &access_wanted, error);
    if (access_wanted && new_access < 0) {
        if (new_error >= 0)
            close(new_error);
        return -1;
    }
    logs_adopt(settings, new_error, new_access);
    return 0;
}

void logs_adopt(const struct config_log *settings, int error_log, int access_log)
{
    if (error_log >= 0)
        log_to_descriptor(error_log);
    else
        log_to_syslog("cowherd");
    log_set_colour(error_log >= 0 && log_wants_colour(error_log));
    log_set_level(settings->level);
    replace(&error_fd, error_log);
    replace(&access_fd, access_log);
}

int logs_error_descriptor(void)
{
    return error_fd;
}

int logs_access_descriptor(void)
{
    return access_fd;
}

void logs_close(void)
{
    log_to_descriptor(STDERR_FILENO);
    log_set_colour(false);
    replace(&error_fd, -1);
    replace(&access_fd, -1);
}
