#include "chroot.h"

#include <stdlib.h>
#include <string.h>

#include "xalloc.h"

static void rename_path(char **path, size_t prefix)
{
    if (*path == NULL)
        return;
    char *inside = xstrdup((*path)[prefix] != '\0' ? *path + prefix : "/");
    free(*path);
    *path = inside;
}

void chroot_rename_paths(struct config_pool *pool)
{
    if (pool->chroot == NULL)
        return;
    size_t prefix = strlen(pool->chroot);
    while (prefix > 0 && pool->chroot[prefix - 1] == '/')
        prefix--;
    for (size_t i = 0; i < pool->preload.count; i++)
        rename_path(&pool->preload.items[i], prefix);
    for (size_t i = 0; i < pool->app_count; i++) {
        struct config_app *app = &pool->apps[i];
        rename_path(&app->root, prefix);
        rename_path(&app->rack, prefix);
        rename_path(&app->sendfile.from, prefix);
        rename_path(&app->store.file, prefix);
        for (size_t j = 0; j < app->hook_count; j++)
            rename_path(&app->hooks[j].file, prefix);
    }
}
