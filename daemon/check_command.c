#include "check_command.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "allocator_library.h"
#include "config.h"
#include "load_config.h"
#include "root_users.h"
#include "spawn_mold.h"

static unsigned say_missing(const struct config_pool *pool, const char *key, const char *kind, const char *name)
{
    fprintf(stderr, "%s: pools.%s.%s: there is no %s \"%s\" on this machine\n", pool->place, pool->name, key, kind,
            name);
    return 1;
}

static unsigned check_user(const struct config_pool *pool, const char *key, const char *name)
{
    return !name || getpwnam(name) ? 0 : say_missing(pool, key, "user", name);
}

static unsigned check_group(const struct config_pool *pool, const char *key, const char *name)
{
    return !name || getgrnam(name) ? 0 : say_missing(pool, key, "group", name);
}

static unsigned check_names(const struct config_pool *pool)
{
    return check_user(pool, "user", pool->user) + check_group(pool, "group", pool->group) +
           check_user(pool, "socket.owner", pool->socket.owner) + check_group(pool, "socket.group", pool->socket.group);
}

/* 0: its apps compile, with the allocator whose library this is. */
static int check_apps(const struct config *config, const struct config_pool *pool, const char *library)
{
    struct strbuf text = { 0 };
    config_print_pool(config, pool, &text);
    int fd = spawn_memfd("cowherd-config", text.data, text.length);
    strbuf_free(&text);
    int status = fd < 0 ? -1 : spawn_mold_check(pool, library, fd);
    if (status < 0)
        fprintf(stderr, "cowherd: can't run cowherd-mold: %s\n", strerror(errno));
    if (fd >= 0)
        close(fd);
    return status;
}

/* Without the allocator that it asks for a pool doesn't start; what else is wrong is found with glibc's. */
static int check_pool(const struct config *config, const struct config_pool *pool)
{
    struct config_pool settings = *pool;
    struct strbuf error = { 0 };
    char *library;
    bool found = allocator_library(pool, &library, &error);
    if (!found) {
        fprintf(stderr, "%s\n", error.data);
        settings.allocator = ALLOCATOR_GLIBC;
    }
    int status = check_apps(config, &settings, library);
    strbuf_free(&error);
    free(library);
    if (!found)
        return 2;
    return status != 0 ? 1 : 0;
}

int check_command(const char *config_path, bool print)
{
    struct config *config = load_config(config_path);
    if (!config)
        return 2;
    int result = 0;
    for (size_t i = 0; i < config->pool_count; i++)
        if (check_names(&config->pools[i]) > 0)
            result = 2;
    struct strbuf root_users = { 0 };
    if (root_users_unasked(config, &root_users)) {
        fprintf(stderr, "%s\n", root_users.data);
        result = 2;
    }
    strbuf_free(&root_users);
    if (print) {
        struct strbuf text = { 0 };
        config_print(config, &text);
        fwrite(text.data, 1, text.length, stdout);
        strbuf_free(&text);
        fflush(stdout);
    }
    for (size_t i = 0; i < config->pool_count; i++) {
        int status = check_pool(config, &config->pools[i]);
        if (status > result)
            result = status;
    }
    if (result == 0 && !print)
        printf("%s: the configuration is fine and the apps compile\n", config_path);
    config_release(config);
    return result;
}
