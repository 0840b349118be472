#include "real_root.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "xalloc.h"

static void rename_path(char **path, const char *root, const char *real)
{
    size_t length = strlen(root);

    while (length > 0 && root[length - 1] == '/')
        length--;
    if (*path == NULL || strncmp(*path, root, length) != 0 || ((*path)[length] != '/' && (*path)[length] != '\0'))
        return;
    char *renamed = xasprintf("%s%s", strcmp(real, "/") != 0 ? real : "", *path + length);
    free(*path);
    *path = renamed;
}

void real_root_rename_paths(struct config_pool *pool)
{
    char real[PATH_MAX];

    for (size_t i = 0; i < pool->app_count; i++) {
        struct config_app *app = &pool->apps[i];
        if (app->root == NULL || realpath(app->root, real) == NULL || strcmp(app->root, real) == 0)
            continue;
        rename_path(&app->rack, app->root, real);
        rename_path(&app->sendfile.from, app->root, real);
        for (size_t j = 0; j < app->hook_count; j++)
            rename_path(&app->hooks[j].file, app->root, real);
        free(app->root);
        app->root = xstrdup(real);
    }
}
