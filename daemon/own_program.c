#include "own_program.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static const char itself[] = "/proc/self/exe";

const char *own_program_path(void)
{
    static char known[PATH_MAX];
    char now[PATH_MAX];
    ssize_t length = readlink(itself, now, sizeof now - 1);
    if (length > 0) {
        now[length] = '\0';
        strcpy(known, now);
    } else if (!*known && !realpath((const char *)getauxval(AT_EXECFN), known)) {
        *known = '\0';
        return NULL;
    }
    return known;
}

const char *own_program(void)
{
    const char *path = access(itself, X_OK) == 0 ? itself : own_program_path();
    return path ? path : itself;
}
