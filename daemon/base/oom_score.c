#include "oom_score.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char path[] = "/proc/self/oom_score_adj";

int oom_score_get(void)
{
    char text[16] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd == -1)
        return 0;
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    return got > 0 ? (int)strtol(text, NULL, 10) : 0;
}

int oom_score_set(int adjustment)
{
    char text[16];
    int length = snprintf(text, sizeof text, "%d", adjustment);
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd == -1)
        return -1;
    ssize_t put = write(fd, text, (size_t)length);
    int error = errno;
    close(fd);
    errno = error;
    return put == length ? 0 : -1;
}
