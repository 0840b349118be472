#include "pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "xalloc.h"

static struct {
    char *path; /* NULL: no file */
    int fd;
    pid_t owner;
} held;

/* Whether `path` (still) names the open file: it may have been removed or replaced since. */
static bool is_at(int fd, const char *path)
{
    struct stat opened, named;

    return fstat(fd, &opened) == 0 && lstat(path, &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

/* The file's text without its line end. false when it holds anything but a pid or nothing. */
static bool read_pid(int fd, char text[16])
{
    ssize_t length = pread(fd, text, 15, 0);

    if (length < 0)
        return false;
    if (length > 0 && text[length - 1] == '\n')
        length--;
    text[length] = '\0';
    return strspn(text, "0123456789") == (size_t)length && length < 12;
}

/* A locked descriptor of the file at `path`, or -1. */
static int take(const char *path, char *error, size_t size)
{
    for (;;) {
        struct stat status;
        char pid[16];
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);

        if (fd == -1) {
            snprintf(error, size, "%s: %s", path, strerror(errno));
            return -1;
        }
        if (fstat(fd, &status) == -1 || !S_ISREG(status.st_mode)) {
            snprintf(error, size, "%s: not a regular file", path);
        } else if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
            if (errno != EWOULDBLOCK)
                snprintf(error, size, "%s: %s", path, strerror(errno));
            else if (read_pid(fd, pid) && pid[0] != '\0')
                snprintf(error, size, "%s: process %s is running with this pid file", path, pid);
            else
                snprintf(error, size, "%s: another process is running with this pid file", path);
        } else if (!is_at(fd, path)) {
            /* Whoever held it removed it between our open and our lock. */
            close(fd);
            continue;
        } else if (!read_pid(fd, pid)) {
            snprintf(error, size, "%s: holds something else than a pid; it is left alone", path);
        } else {
            return fd;
        }
        close(fd);
        return -1;
    }
}

pid_t pid_file_holder(const char *path)
{
    char pid[16] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd == -1)
        return 0;
    if (flock(fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK || !read_pid(fd, pid))
        pid[0] = '\0';
    close(fd);
    return (pid_t)atol(pid);
}

int pid_file_open(const char *path, char *error, size_t size)
{
    int fd = take(path, error, size);

    if (fd == -1)
        return -1;

    char text[16];
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());

    if (pwrite(fd, text, (size_t)length, 0) != length || ftruncate(fd, length) == -1) {
        snprintf(error, size, "%s: %s", path, strerror(errno));
        unlink(path);
        close(fd);
        return -1;
    }
    held.path = xstrdup(path);
    held.fd = fd;
    held.owner = getpid();
    return 0;
}

void pid_file_close(void)
{
    if (held.path == NULL || held.owner != getpid())
        return;
    /* Removed before it is unlocked: who takes the lock next then sees that it is another file. */
    if (is_at(held.fd, held.path))
        unlink(held.path);
    close(held.fd);
    free(held.path);
    held.path = NULL;
}

const char *pid_file_path(void)
{
    return held.path;
}

int pid_file_descriptor(void)
{
    return held.path ? held.fd : -1;
}

void pid_file_adopt(const char *path, int fd)
{
    held.path = xstrdup(path);
    held.fd = fd;
    held.owner = getpid();
}
