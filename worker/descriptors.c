#include "descriptors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "xalloc.h"

/* The same file behind the same number. */
static bool is_open(const struct descriptor *descriptor)
{
    struct stat status;

    return fstat(descriptor->fd, &status) == 0 && status.st_dev == descriptor->device &&
           status.st_ino == descriptor->inode;
}

static bool is_known(const struct descriptors *descriptors, int fd)
{
    for (size_t i = 0; i < descriptors->count; i++)
        if (descriptors->items[i].fd == fd && (descriptors->items[i].app == NULL || is_open(&descriptors->items[i])))
            return true;
    return false;
}

static const char *own_name(int fd)
{
    int value = 0;
    socklen_t size = sizeof value;

    if (fd <= STDERR_FILENO)
        return fd == STDIN_FILENO ? "standard input" : "standard output or error";
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value != 0)
        return "a listening socket";
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size) == 0 && value == SOCK_SEQPACKET)
        return "the channel to the supervisor";
    return "one of cowherd's own";
}

void descriptors_claim(struct descriptors *descriptors, const char *app)
{
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;
    struct stat status;

    if (folder == NULL) {
        if (!descriptors->unseen)
            log_warn("/proc/self/fd can't be read: nobody looks after the descriptors of apps");
        descriptors->unseen = true;
        return;
    }
    while ((entry = readdir(folder)) != NULL) {
        int fd = entry->d_name[0] != '.' ? atoi(entry->d_name) : -1;
        if (fd == -1 || fd == dirfd(folder) || is_known(descriptors, fd) || fstat(fd, &status) == -1)
            continue;
        descriptors->items = xreallocarray(descriptors->items, descriptors->count + 1, sizeof *descriptors->items);
        descriptors->items[descriptors->count++] = (struct descriptor){
            .fd = fd, .device = status.st_dev, .inode = status.st_ino, .app = app, .what = app ? "" : own_name(fd)
        };
    }
    closedir(folder);
}

bool descriptors_intact(const struct descriptors *descriptors, struct strbuf *error)
{
    for (size_t i = 0; i < descriptors->count; i++) {
        const struct descriptor *own = &descriptors->items[i];
        if (own->app != NULL || is_open(own))
            continue;
        strbuf_printf(error,
                      "descriptor %d, %s, was closed while the app loaded; an app may close what it has opened, and "
                      "nothing else",
                      own->fd, own->what);
        return false;
    }
    return true;
}

/* A mere name of a place, and devices without a position, can be shared. */
static bool is_harmless(int fd)
{
    struct stat status;
    int flags = fcntl(fd, F_GETFL);

    return flags == -1 || (flags & O_PATH) || (fstat(fd, &status) == 0 && S_ISCHR(status.st_mode));
}

void descriptors_warn_held(const struct descriptors *descriptors)
{
    for (size_t i = 0; i < descriptors->count; i++) {
        const struct descriptor *held = &descriptors->items[i];
        char link[32], target[PATH_MAX];
        if (held->app == NULL || !is_open(held) || is_harmless(held->fd))
            continue;
        snprintf(link, sizeof link, "/proc/self/fd/%d", held->fd);
        ssize_t length = readlink(link, target, sizeof target - 1);
        target[length > 0 ? length : 0] = '\0';
        log_warnx("app %s holds descriptor %d (%s) open after loading: all workers share it, with one position in it "
                  "for all; close it, or open it in the worker",
                  held->app, held->fd, target);
    }
}

void descriptors_free(struct descriptors *descriptors)
{
    free(descriptors->items);
    *descriptors = (struct descriptors){ 0 };
}
