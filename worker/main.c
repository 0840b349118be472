/*
 * cowherd-mold: exec'd by cowherd for each generation of a pool; not meant to be started by hand.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocator.h"
#include "app.h"
#include "chroot.h"
#include "config_handed.h"
#include "log.h"
#include "mold.h"
#include "strbuf.h"
#include "title.h"
#include "xalloc.h"

enum {
    OPTION_CHECK = 1,
    OPTION_CONFIG,
    OPTION_SCOREBOARD,
    OPTION_CHANNEL,
    OPTION_LISTEN,
    OPTION_STORES,
    OPTION_ACCESS_LOG,
    OPTION_HANDBACK,
    OPTION_GENERATION,
    OPTION_DESCRIPTOR_LIMIT,
    OPTION_TELL_FILES
};

static const struct option known_options[] = {
    { "check", no_argument, NULL, OPTION_CHECK },
    { "config-fd", required_argument, NULL, OPTION_CONFIG },
    { "scoreboard-fd", required_argument, NULL, OPTION_SCOREBOARD },
    { "channel-fd", required_argument, NULL, OPTION_CHANNEL },
    { "listen-fds", required_argument, NULL, OPTION_LISTEN },
    { "store-fds", required_argument, NULL, OPTION_STORES },
    { "access-log-fd", required_argument, NULL, OPTION_ACCESS_LOG },
    { "handback-fd", required_argument, NULL, OPTION_HANDBACK },
    { "generation", required_argument, NULL, OPTION_GENERATION },
    { "descriptor-limit", required_argument, NULL, OPTION_DESCRIPTOR_LIMIT },
    { "tell-files", no_argument, NULL, OPTION_TELL_FILES },
    { 0 },
};

struct list {
    int *items;
    size_t count;
};

struct arguments {
    bool check;
    int config, scoreboard, channel, access_log, handback;
    struct list listeners, stores;
    unsigned generation;
    unsigned long descriptor_limit;
    bool tell_files;
};

/* Inherited descriptors are ours alone: nothing that an app executes gets them. */
static int descriptor(const char *text)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (end == text || *end || value < -1 || value > 1 << 20)
        fatalx("cowherd-mold: \"%s\" is no descriptor; this program is started by cowherd", text);
    if (value >= 0 && fcntl((int)value, F_SETFD, FD_CLOEXEC) < 0)
        fatal("cowherd-mold: descriptor %s", text);
    return (int)value;
}

static void parse_list(struct list *list, char *text)
{
    for (char *rest = text, *word; (word = strtok_r(rest, ",", &rest));) {
        list->items = xreallocarray(list->items, list->count + 1, sizeof *list->items);
        list->items[list->count++] = descriptor(word);
    }
}

static struct arguments parse_arguments(int argc, char **argv)
{
    struct arguments arguments = { .config = -1, .scoreboard = -1, .channel = -1, .access_log = -1, .handback = -1 };
    int option;
    while ((option = getopt_long(argc, argv, "", known_options, NULL)) != -1) {
        switch (option) {
        case OPTION_CHECK: arguments.check = true; break;
        case OPTION_CONFIG: arguments.config = descriptor(optarg); break;
        case OPTION_SCOREBOARD: arguments.scoreboard = descriptor(optarg); break;
        case OPTION_CHANNEL: arguments.channel = descriptor(optarg); break;
        case OPTION_LISTEN: parse_list(&arguments.listeners, optarg); break;
        case OPTION_STORES: parse_list(&arguments.stores, optarg); break;
        case OPTION_ACCESS_LOG: arguments.access_log = descriptor(optarg); break;
        case OPTION_HANDBACK: arguments.handback = descriptor(optarg); break;
        case OPTION_GENERATION: arguments.generation = (unsigned)strtoul(optarg, NULL, 10); break;
        case OPTION_DESCRIPTOR_LIMIT: arguments.descriptor_limit = strtoul(optarg, NULL, 10); break;
        case OPTION_TELL_FILES: arguments.tell_files = true; break;
        default: exit(2);
        }
    }
    if (arguments.config < 0 || (!arguments.check && (arguments.scoreboard < 0 || arguments.channel < 0)))
        fatalx("cowherd-mold is started by cowherd, not by hand");
    return arguments;
}

static int check(struct config *config)
{
    struct strbuf errors = { 0 };
    bool settled = allocator_settle(config->pools[0].allocator, &errors);
    if (!settled)
        strbuf_printf(&errors, "\n");
    size_t count = app_set_check(&config->pools[0], &errors);
    if (errors.length > 0)
        fputs(errors.data, stderr);
    strbuf_free(&errors);
    config_release(config);
    return count > 0 || !settled;
}

int main(int argc, char **argv, char **environment)
{
    struct arguments arguments = parse_arguments(argc, argv);
    if (!arguments.check)
        log_to_supervisor(STDERR_FILENO);
    struct config *config = config_handed(arguments.config);
    if (arguments.check)
        return check(config);
    log_set_level(config->log.level);
    chroot_rename_paths(&config->pools[0]);
    /* One name can stand for several sockets. */
    if (arguments.listeners.count < config->pools[0].listen_count)
        fatalx("%zu listening sockets were inherited, the configuration names %zu", arguments.listeners.count,
               config->pools[0].listen_count);
    title_init(argc, argv, environment);
    struct mold_options options = {
        .config = config,
        .pool = &config->pools[0],
        .scoreboard = arguments.scoreboard,
        .channel = arguments.channel,
        .listeners = arguments.listeners.items,
        .listener_count = arguments.listeners.count,
        .stores = arguments.stores.items,
        .store_count = arguments.stores.count,
        .access_log = arguments.access_log,
        .handback = arguments.handback,
        .generation = arguments.generation,
        .descriptor_limit = arguments.descriptor_limit,
        .tell_files = arguments.tell_files,
    };
    return mold_run(&options);
}
