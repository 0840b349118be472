#include "env_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "names.h"
#include "xalloc.h"

#define VALUE_MAX 65536
#define VARIABLES_MAX 1024

static void unset(struct env_dir *result, const char *name)
{
    size_t length = strlen(name), kept = 0;
    for (char **variable = result->outer; *variable != NULL; variable++) {
        if (strncmp(*variable, name, length) == 0 && (*variable)[length] == '=')
            free(*variable);
        else
            result->outer[kept++] = *variable;
    }
    result->outer[kept] = NULL;
    for (size_t i = 0; i < result->env.count; i++) {
        if (strcmp(result->env.items[i].name, name) != 0)
            continue;
        free(result->env.items[i].name);
        free(result->env.items[i].value);
        result->env.items[i] = result->env.items[--result->env.count];
        return;
    }
}

static void set(struct env_dir *result, const char *name, const char *value)
{
    unset(result, name);
    result->env.items = xreallocarray(result->env.items, result->env.count + 1, sizeof *result->env.items);
    result->env.items[result->env.count++] = (struct config_pair){ .name = xstrdup(name), .value = xstrdup(value) };
}

static bool is_utf8(const char *text)
{
    const unsigned char *byte = (const unsigned char *)text;
    while (*byte != '\0') {
        static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
        unsigned width = *byte < 0x80   ? 1
                         : *byte < 0xC2 ? 0
                         : *byte < 0xE0 ? 2
                         : *byte < 0xF0 ? 3
                         : *byte < 0xF5 ? 4
                                        : 0;
        uint32_t point = width == 1 ? *byte : *byte & (0x7Fu >> width);
        if (width == 0)
            return false;
        for (unsigned i = 1; i < width; i++) {
            if ((byte[i] & 0xC0) != 0x80)
                return false;
            point = point << 6 | (byte[i] & 0x3F);
        }
        if (point < least[width] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000))
            return false;
        byte += width;
    }
    return true;
}

/* The file's beginning, up to `size` bytes; -1 with errno. Never waits, whatever the file is. */
static ssize_t read_beginning(int directory, const char *name, char *bytes, size_t size)
{
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat about;
    size_t length = 0;
    ssize_t got = -1;
    if (fd < 0)
        return -1;
    if (fstat(fd, &about) == 0) {
        errno = EINVAL;
        while (S_ISREG(about.st_mode) && length < size && (got = read(fd, bytes + length, size - length)) > 0)
            length += (size_t)got;
    }
    int error = errno;
    close(fd);
    errno = error;
    return got < 0 ? -1 : (ssize_t)length;
}

/* What is wrong with the file, NULL when nothing is; `value` is its first line then, NULL when it is empty. */
static const char *take_value(char *bytes, ssize_t length, char **value)
{
    if (length < 0)
        return errno == EINVAL ? "it is no regular file" : strerror(errno);
    *value = length > 0 ? bytes : NULL;
    char *end = memchr(bytes, '\n', (size_t)length);
    size_t line = end ? (size_t)(end - bytes) : (size_t)length;
    if (line > VALUE_MAX)
        return "its first line is longer than 65536 bytes";
    if (memchr(bytes, '\0', line) != NULL)
        return "its first line holds a byte that no variable can hold (NUL)";
    while (line > 0 && (bytes[line - 1] == ' ' || bytes[line - 1] == '\t' || bytes[line - 1] == '\r'))
        line--;
    bytes[line] = '\0';
    return is_utf8(bytes) ? NULL : "its first line is not UTF-8";
}

static bool read_file(int directory, const char *path, const char *name, struct env_dir *result, struct strbuf *error)
{
    char *bytes = xmalloc(VALUE_MAX + 2), *value = NULL;
    const char *problem = name_check_variable(name);
    if (problem == NULL)
        problem = take_value(bytes, read_beginning(directory, name, bytes, VALUE_MAX + 1), &value);
    if (problem != NULL)
        strbuf_printf(error, "restart.env_dir: %s/%s: %s", path, name, problem);
    else if (value != NULL)
        set(result, name, value);
    else
        unset(result, name);
    free(bytes);
    return problem == NULL;
}

static int by_name(const void *a, const void *b)
{
    const struct config_pair *first = a, *second = b;
    return strcmp(first->name, second->name);
}

static bool read_directory(const char *path, struct env_dir *result, struct strbuf *error)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    bool good = true;
    if (directory == NULL) {
        strbuf_printf(error, "restart.env_dir: %s: %s", path, strerror(errno));
        return false;
    }
    while (good && (errno = 0, entry = readdir(directory)) != NULL)
        good = entry->d_name[0] == '.' || read_file(dirfd(directory), path, entry->d_name, result, error);
    if (good && errno != 0) {
        strbuf_printf(error, "restart.env_dir: %s: %s", path, strerror(errno));
        good = false;
    }
    closedir(directory);
    if (good && result->env.count > VARIABLES_MAX) {
        strbuf_printf(error, "restart.env_dir: %s: at most %d variables, with those of env", path, VARIABLES_MAX);
        good = false;
    }
    if (result->env.count > 0)
        qsort(result->env.items, result->env.count, sizeof *result->env.items, by_name);
    return good;
}

bool env_dir_read(const char *directory, char *const *outer, const struct config_pairs *env, struct env_dir *result,
                  struct strbuf *error)
{
    size_t count = 0;
    while (outer[count] != NULL)
        count++;
    *result = (struct env_dir){ .outer = xcalloc(count + 1, sizeof(char *)) };
    for (size_t i = 0; i < count; i++)
        result->outer[i] = xstrdup(outer[i]);
    result->env.items = xcalloc(env->count + 1, sizeof *result->env.items);
    for (; result->env.count < env->count; result->env.count++) {
        const struct config_pair *pair = &env->items[result->env.count];
        result->env.items[result->env.count] =
            (struct config_pair){ .name = xstrdup(pair->name), .value = xstrdup(pair->value) };
    }
    if (directory == NULL || read_directory(directory, result, error))
        return true;
    env_dir_free(result);
    return false;
}

void env_dir_free(struct env_dir *result)
{
    for (size_t i = 0; result->outer != NULL && result->outer[i] != NULL; i++)
        free(result->outer[i]);
    free(result->outer);
    for (size_t i = 0; i < result->env.count; i++) {
        free(result->env.items[i].name);
        free(result->env.items[i].value);
    }
    free(result->env.items);
    *result = (struct env_dir){ 0 };
}
