#include "oom_watch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "xalloc.h"

/* The counter rises when the process is chosen; a large one takes its time to die. */
#define DYING_NS (10 * CLOCK_NS_PER_S)
#define MACHINE "/proc/vmstat"

static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t got = 0;

    if (fd < 0)
        return false;
    while (length < size - 1 && (got = read(fd, text + length, size - 1 - length)) > 0)
        length += (size_t)got;
    close(fd);
    text[length] = '\0';
    return got >= 0;
}

static bool read_counter(const char *path, uint64_t *count)
{
    static const char name[] = "oom_kill ";
    char text[16384];

    if (!path || !read_text(path, text, sizeof text))
        return false;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, sizeof name - 1) == 0) {
            *count = strtoull(line + sizeof name - 1, NULL, 10);
            return true;
        }
    }
    return false;
}

/* The group of version 2 stands in the line "0::/PATH". The root group has no counter. */
static char *group_counter(void)
{
    char text[4096];

    if (!read_text("/proc/self/cgroup", text, sizeof text))
        return NULL;
    const char *line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
    if (!line)
        return NULL;
    line += *line == '\n';
    return xasprintf("/sys/fs/cgroup%.*s/memory.events", (int)strcspn(line + 3, "\n"), line + 3);
}

void oom_watch_start(struct oom_watch *watch, const char *path)
{
    *watch = (struct oom_watch){ .path = path ? xstrdup(path) : group_counter() };
    if (path || read_counter(watch->path, &watch->seen)) {
        read_counter(watch->path, &watch->seen);
        return;
    }
    free(watch->path);
    watch->path = xstrdup(MACHINE);
    read_counter(watch->path, &watch->seen);
}

void oom_watch_stop(struct oom_watch *watch)
{
    free(watch->path);
    watch->path = NULL;
}

bool oom_watch_take(struct oom_watch *watch)
{
    uint64_t count;

    if (!read_counter(watch->path, &count) || count <= watch->seen)
        return false;
    watch->seen++;
    return true;
}

void oom_watch_look(struct oom_watch *watch, int64_t now_ns)
{
    uint64_t count;

    if (!read_counter(watch->path, &count) || count <= watch->seen) {
        watch->risen_ns = 0;
    } else if (watch->risen_ns == 0) {
        watch->risen_ns = now_ns;
    } else if (now_ns - watch->risen_ns > DYING_NS) {
        watch->seen = count;
        watch->risen_ns = 0;
    }
}
