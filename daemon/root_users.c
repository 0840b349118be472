#include "root_users.h"

#include <unistd.h>

bool root_users_unasked(const struct config *config, struct strbuf *text)
{
    bool found = false;

    for (size_t i = 0; i < config->pool_count && geteuid() == 0; i++) {
        const struct config_pool *pool = &config->pools[i];
        if (pool->user != NULL)
            continue;
        strbuf_printf(text,
                      "%s%s: pools.%s.user: started by root, cowherd has to be told whom the apps run as: user: "
                      "www-data, for one (user: root, if it must be)",
                      found ? "\n" : "", pool->place, pool->name);
        found = true;
    }
    return found;
}
