#include "script_open.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int close_with(int fd, int error)
{
    close(fd);
    errno = error;
    return -1;
}

/* What the very link that `link` is (an O_PATH descriptor) points at, when it belongs to the same owner. */
static int open_target(int directory, int link, const struct stat *status, int flags)
{
    char target[PATH_MAX];
    struct stat pointed;
    ssize_t length = readlinkat(link, "", target, sizeof target - 1);

    if (length == -1)
        return -1;
    target[length] = '\0';
    int fd = openat(directory, target, flags | O_CLOEXEC);
    if (fd == -1)
        return -1;
    if (fstat(fd, &pointed) == -1 || pointed.st_uid != status->st_uid)
        return close_with(fd, ELOOP);
    return fd;
}

static int open_step(int directory, const char *name, enum config_follow follow, int flags)
{
    struct stat status;
    int fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    if (fd == -1)
        return -1;
    if (fstat(fd, &status) == -1)
        return close_with(fd, errno);
    if (!S_ISLNK(status.st_mode)) {
        if (flags == O_PATH)
            return fd;
        close(fd);
        return openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC);
    }
    if (follow == FOLLOW_NEVER)
        return close_with(fd, ELOOP);

    int target = open_target(directory, fd, &status, flags);
    int error = errno;
    close(fd);
    errno = error;
    return target;
}

int script_open_by_steps(int root, const char *path, enum config_follow follow, int flags)
{
    int directory = root;

    for (;;) {
        char name[NAME_MAX + 1];
        size_t length = strcspn(path, "/");
        bool last = path[length] == '\0';
        if (length > NAME_MAX) {
            errno = ENAMETOOLONG;
            return directory != root ? close_with(directory, errno) : -1;
        }
        memcpy(name, path, length);
        name[length] = '\0';
        int fd = open_step(directory, name, follow, last ? flags : O_PATH);
        if (directory != root) {
            int error = errno;
            close(directory);
            errno = error;
        }
        if (last || fd == -1)
            return fd;
        directory = fd;
        path += length + 1;
    }
}

int script_open(int root, const char *path, enum config_follow follow, int flags)
{
    static bool missing;

    if (follow == FOLLOW_ALWAYS)
        return openat(root, path, flags | O_CLOEXEC);
    if (!missing) {
        struct open_how how = {
            .flags = (uint64_t)flags | O_CLOEXEC,
            .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
        };
        int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
        if (fd >= 0 || (errno != ENOSYS && errno != EPERM && errno != ELOOP))
            return fd;
        if (errno == ELOOP && follow == FOLLOW_NEVER)
            return -1;
        missing = errno != ELOOP;
    }
    return script_open_by_steps(root, path, follow, flags);
}
