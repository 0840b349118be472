#include "heap_command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control_client.h"
#include "heap_map.h"
#include "heap_svg.h"
#include "xalloc.h"

static bool write_whole(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, data, length);

        if (written == -1 && errno != EINTR)
            return false;
        if (written > 0) {
            data += written;
            length -= (size_t)written;
        }
    }
    return true;
}

/* The file itself where `path` is a symbolic link, so that the link stays; free(3). NULL: said why. */
static char *resolve(const char *path)
{
    struct stat status;

    if (stat(path, &status) == -1)
        return xstrdup(path);
    if (!S_ISREG(status.st_mode)) {
        fprintf(stderr, "cowherd heap: %s: not a regular file (- is standard output)\n", path);
        return NULL;
    }

    char *target = realpath(path, NULL);

    if (target == NULL)
        fprintf(stderr, "cowherd heap: %s: %s\n", path, strerror(errno));
    return target;
}

static int replace_file(const char *path, const struct strbuf *text)
{
    char *temporary = xasprintf("%s.XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    mode_t mask = umask(0);
    bool done = false;

    umask(mask);
    if (fd != -1) {
        done = write_whole(fd, text->data, text->length) && fchmod(fd, 0666 & ~mask) == 0;
        done = close(fd) == 0 && done && rename(temporary, path) == 0;
    }
    if (!done) {
        fprintf(stderr, "cowherd heap: %s: %s\n", path, strerror(errno));
        if (fd != -1)
            unlink(temporary);
    }
    free(temporary);
    return done ? 0 : 1;
}

static int write_file(const char *path, const struct strbuf *text)
{
    if (strcmp(path, "-") == 0)
        return write_whole(STDOUT_FILENO, text->data, text->length) ? 0 : 1;

    char *target = resolve(path);
    int result = target != NULL ? replace_file(target, text) : 1;

    free(target);
    return result;
}

/* "POOL WORKER PID GENERATION", then the map. */
static int draw(const char *answer, const char *path)
{
    struct heap_map map = { 0 };
    struct strbuf svg = { 0 };
    char pool[64];
    unsigned worker, generation;
    long pid;
    const char *newline = strchr(answer, '\n');
    int result = 1;

    if (newline == NULL || sscanf(answer, "%63[A-Za-z0-9_.-] %u %ld %u", pool, &worker, &pid, &generation) != 4 ||
        !heap_map_parse(newline + 1, &map)) {
        fprintf(stderr, "cowherd heap: the worker's map of its heap makes no sense\n");
        return 1;
    }
    const struct heap_picture picture = {
        .pool = pool,
        .worker = worker,
        .pid = pid,
        .generation = generation,
        .map = &map,
    };
    heap_svg_write(&picture, &svg);
    result = write_file(path, &svg);
    strbuf_free(&svg);
    heap_map_free(&map);
    return result;
}

int heap_command(const struct heap_command *command)
{
    struct strbuf line = { 0 }, answer = { 0 };

    strbuf_printf(&line, "heap %s", command->pool != NULL ? command->pool : "-");
    if (command->worker != NULL)
        strbuf_printf(&line, " %s", command->worker);

    int result = control_client_command(command->socket, line.data, &answer);

    if (result != 0)
        fprintf(stderr, "cowherd heap: %s", answer.data != NULL ? answer.data : "no answer\n");
    else
        result = draw(answer.data != NULL ? answer.data : "", command->file);
    strbuf_free(&line);
    strbuf_free(&answer);
    return result;
}
