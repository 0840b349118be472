#include "mold.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "access_log.h"
#include "allocator.h"
#include "app.h"
#include "channel.h"
#include "clock.h"
#include "crash.h"
#include "fcgi.h"
#include "fork_worker.h"
#include "heap.h"
#include "hooks.h"
#include "load_guard.h"
#include "loaded_files.h"
#include "log.h"
#include "orphaned.h"
#include "outer_environment.h"
#include "privileges.h"
#include "real_root.h"
#include "region.h"
#include "scoreboard.h"
#include "server.h"
#include "store.h"
#include "stray_child.h"
#include "time_out.h"
#include "title.h"
#include "traced_worker.h"
#include "xalloc.h"

#define REGION_CAPACITY ((size_t)64 << 30)
#define REGION_CAPACITY_MIN ((size_t)16 << 20)

/* What hooks have to end a worker whose time for draining is up; the supervisor kills it after a second. */
#define STOP_NS_MIN (500 * CLOCK_NS_PER_MS)

struct mold {
    const struct mold_options *options;
    struct app_set *apps;
    struct scoreboard *board;
    int access_log;
};

static void send_failure(int channel, const char *text)
{
    struct message message = { .type = MESSAGE_FAILED };
    snprintf(message.text, sizeof message.text, "%s", text);
    if (channel_send(channel, &message, NULL, 0) < 0)
        log_warn("the supervisor can't be told that loading failed");
}

/* What the mold's own malloc was told is not for what apps start. */
static void restore_environment(void)
{
    static const char prefix[] = OUTER_ENVIRONMENT_PREFIX;
    char **variable = environ;

    while (*variable != NULL) {
        if (strncmp(*variable, prefix, sizeof prefix - 1) != 0) {
            variable++;
            continue;
        }
        char *kept = xstrdup(*variable);
        char *name = kept + sizeof prefix - 1;
        char *value = strchr(name, '=');
        *value++ = '\0';
        int result = *value != '\0' ? setenv(name, value, 1) : unsetenv(name);
        if (result < 0 || unsetenv(kept) < 0)
            fatal("the environment can't be restored");
        free(kept);
        variable = environ;
    }
}

static void set_environment(const struct config_pool *pool)
{
    restore_environment();
    for (size_t i = 0; i < pool->env.count; i++)
        if (setenv(pool->env.items[i].name, pool->env.items[i].value, 1) < 0)
            log_warn("env.%s can't be set", pool->env.items[i].name);
}

/* The mold must not outlive a supervisor that was killed while an app loads; a change of user resets this, so it comes
 * after. */
static void die_with_parent(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* The supervisor has raised its own; apps, and what they execute, get what cowherd was started with. */
static void limit_descriptors(unsigned long soft)
{
    struct rlimit limit;
    if (soft == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0 || soft > limit.rlim_max)
        return;
    limit.rlim_cur = soft;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* (A write beyond rlimits.fsize fails with EFBIG then, for apps as for the access log.) */
static void ignore_stray_signals(void)
{
    static const int strays[] = { SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU, SIGPIPE, SIGXFSZ };
    for (size_t i = 0; i < sizeof strays / sizeof *strays; i++)
        signal(strays[i], SIG_IGN);
}

/*
 * The region's capacity is address space, not memory. Where that is limited (rlimits.as, a limit that cowherd was
 * started under) it has to leave room for the rest; so it has where data is limited, which counts it from the freeze
 * on.
 */
static bool fits(size_t capacity)
{
    struct rlimit data;
    int access = getrlimit(RLIMIT_DATA, &data) == 0 && data.rlim_cur != RLIM_INFINITY ? PROT_READ | PROT_WRITE : 0;
    size_t size = capacity + capacity / 2;
    void *probe = mmap(NULL, size, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return probe != MAP_FAILED && munmap(probe, size) == 0;
}

static int map_region(void)
{
    size_t capacity = REGION_CAPACITY_MIN, most = REGION_CAPACITY;

    if (fits(most))
        capacity = most;
    while (most - capacity > REGION_CAPACITY_MIN) {
        size_t between = capacity + (most - capacity) / 2;
        if (fits(between))
            capacity = between;
        else
            most = between;
    }
    return region_open(capacity);
}

static int open_region(struct strbuf *error)
{
    if (map_region() < 0) {
        strbuf_printf(error, "the region for the frozen heap can't be mapped: %s; frozen: false does without",
                      strerror(errno));
        return -1;
    }
    const char *unseen = heap_prove_barriers();
    if (unseen != NULL) {
        strbuf_printf(error,
                      "the heap can't be frozen: mruby's write barriers are not seen (%s); build without link-time "
                      "optimisation, or set frozen: false",
                      unseen);
        return -1;
    }
    return 0;
}

static int load(struct mold *mold)
{
    const struct mold_options *options = mold->options;
    struct strbuf error = { 0 };
    int64_t began = clock_monotonic_ns();

    if (!fcgi_self_check()) {
        send_failure(options->channel, "libfcgi does not use this program's OS_Read and OS_Write: it must be linked "
                                       "dynamically, and libfcgi built without -Bsymbolic");
        return -1;
    }
    set_environment(options->pool);
    if (privileges_apply(options->pool, &error) < 0) {
        send_failure(options->channel, error.data);
        return -1;
    }
    die_with_parent();
    if (options->pool->frozen && open_region(&error) < 0) {
        send_failure(options->channel, error.data);
        return -1;
    }
    if (!store_prepare(options->pool, options->stores, options->store_count, &error)) {
        send_failure(options->channel, error.data);
        return -1;
    }
    real_root_rename_paths(options->pool);
    load_guard_begin(options->channel);
    if (options->tell_files)
        loaded_files_tell(options->channel);
    mold->apps = app_set_load(options->pool, &load_guard_watch, &error);
    fflush(stdout);
    load_guard_end();
    if (options->pool->frozen && app_set_freeze(mold->apps) < 0) {
        strbuf_printf(&error, "the heap can't be frozen: %s; frozen: false does without", strerror(errno));
        send_failure(options->channel, error.data);
        return -1;
    }
    load_guard_warn();
    struct message message = {
        .type = MESSAGE_LOADED,
        .loaded = { .apps = (uint32_t)mold->apps->count,
                    .interpreters = (uint32_t)mold->apps->vm_count,
                    .load_ns = (uint64_t)(clock_monotonic_ns() - began),
                    .region_start = region_bounds.start,
                    .region_bytes = region_bounds.end - region_bounds.start,
                    .region_objects = app_set_frozen_objects(mold->apps) },
    };
    if (channel_send(options->channel, &message, NULL, 0) < 0) {
        log_warn("the supervisor can't be told that the apps are loaded");
        return -1;
    }
    return 0;
}

/* What was handed over under a name may be of either kind. */
static enum config_listen_type type_of(int listener)
{
    int family = AF_UNSPEC;
    socklen_t size = sizeof family;
    return getsockopt(listener, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 && family == AF_UNIX ? LISTEN_UNIX
                                                                                                 : LISTEN_TCP;
}

/* The hooks of a worker's start. One that can't start says why and leaves. */
static void start(const struct server_options *worker)
{
    struct message message = { .type = MESSAGE_FAILED };
    struct strbuf error = { 0 };

    atomic_store_explicit(&worker->slot->request_fd, -1, memory_order_relaxed);
    if (hooks_start(worker->apps, worker->slot, worker->pool->restart.ready_timeout_ns, &error))
        return;
    snprintf(message.text, sizeof message.text, "%s", error.data);
    if (channel_send(worker->channel, &message, NULL, 0) < 0)
        log_warnx("%s", error.data);
    _exit(1);
}

/* The hooks of its end. It no longer accepts: the sockets are let go for a supervisor that comes after this one. */
static void stop(const struct server_options *worker, int64_t deadline_ns)
{
    int64_t left_ns = deadline_ns > 0 ? deadline_ns - clock_monotonic_ns() : worker->pool->restart.drain_timeout_ns;

    for (size_t i = 0; i < worker->listener_count; i++)
        dup3(STDIN_FILENO, worker->listeners[i].fd, O_CLOEXEC); /* the number stays taken: orphaned.c knows it */
    hooks_stop(worker->apps, worker->slot, left_ns > STOP_NS_MIN ? left_ns : STOP_NS_MIN);
}

/* In the new process: everything of the mold's that is not the worker's goes. */
static void become_worker(struct mold *mold, const struct message *order, int channel, int output, int escrow)
{
    uint32_t slot_index = order->fork.slot;
    const struct mold_options *options = mold->options;
    const struct config_pool *pool = options->pool;
    close(options->channel);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    close(output);
    ignore_stray_signals();
    if (options->tell_files)
        loaded_files_tell(channel);
    crash_open(&mold->board->slot[slot_index], channel, options->listeners, options->listener_count);
    stray_child_prepare(&mold->board->slot[slot_index], channel, escrow, options->handback, options->listeners,
                        options->listener_count);
    time_out_open(&mold->board->slot[slot_index], pool->timeouts.request_ns);
    app_set_after_fork(mold->apps);
    title_worker(pool->name, options->generation, slot_index);
    access_log_open(mold->access_log, strcmp(options->config->log.access.path, "syslog") == 0,
                    options->config->log.access.format, pool->name, slot_index);

    struct server_listener *listeners = xcalloc(options->listener_count, sizeof *listeners);
    for (size_t i = 0; i < options->listener_count; i++)
        listeners[i] = (struct server_listener){ .fd = options->listeners[i], .type = type_of(options->listeners[i]) };
    struct server_options server = {
        .pool = pool,
        .apps = mold->apps,
        .board = mold->board,
        .slot = &mold->board->slot[slot_index],
        .slot_index = slot_index,
        .channel = channel,
        .escrow = escrow,
        .handback = options->handback,
        .listeners = listeners,
        .listener_count = options->listener_count,
        .traced = order->fork.traced != 0,
        .warming = order->fork.warming != 0,
    };
    orphaned_prepare(channel, options->listeners, options->listener_count, mold->board, server.slot, pool);
    start(&server);
    int64_t deadline_ns = server.traced ? traced_worker_run(&server) : server_run(&server);
    stop(&server, deadline_ns);
    access_log_end();
    fflush(stdout);
    _exit(0);
}

/* `pid` -1: errno says why. (Gone supervisor: the end of file tells it, too.) */
static void answer_fork(const struct mold *mold, const struct message *order, pid_t pid)
{
    struct message answer = { .type = MESSAGE_FORKED, .forked = { .slot = order->fork.slot } };
    if (pid > 0)
        answer.forked.pid = pid;
    else
        answer.forked.error = errno;
    if (channel_send(mold->options->channel, &answer, NULL, 0) < 0 && errno != EPIPE && errno != ECONNRESET)
        log_warn("the supervisor can't be told of a worker");
}

static void fork_on_command(struct mold *mold, const struct message *order, const int descriptors[3])
{
    uint32_t slot_index = order->fork.slot;
    pid_t pid = -1;
    if (slot_index >= atomic_load(&mold->board->slots)) {
        errno = EINVAL;
    } else {
        pid = fork_worker();
        if (pid == 0)
            become_worker(mold, order, descriptors[0], descriptors[1], descriptors[2]);
    }
    int error = errno;
    close(descriptors[0]);
    close(descriptors[1]);
    close(descriptors[2]);
    errno = error;
    answer_fork(mold, order, pid);
}

/* There was no room for its descriptors. */
static void miss_message(const struct mold *mold, const struct message *message)
{
    errno = EMFILE;
    if (message->type == MESSAGE_FORK)
        answer_fork(mold, message, -1);
    else
        log_warn("what came with %s can't be had", message_name(message->type));
}

static void measure(struct mold *mold)
{
    struct message answer = { .type = MESSAGE_MEASURED };
    if (memory_measure(0, region_bounds.start, region_bounds.end, &answer.measured) == 0)
        channel_send(mold->options->channel, &answer, NULL, 0);
}

static void replace_access_log(struct mold *mold, int fd)
{
    if (mold->access_log >= 0)
        close(mold->access_log);
    mold->access_log = fd;
}

static void obey(struct mold *mold)
{
    struct message message;
    int descriptors[CHANNEL_DESCRIPTORS_MAX];
    for (;;) {
        struct pollfd wait = { .fd = mold->options->channel, .events = POLLIN };
        if (poll(&wait, 1, -1) < 0 && errno != EINTR)
            fatal("poll");
        int got = channel_receive(mold->options->channel, &message, descriptors);
        if (got < 0 && (errno == EAGAIN || errno == EBADMSG || errno == EINTR))
            continue;
        if (got < 0 && errno == EMFILE) {
            miss_message(mold, &message);
            continue;
        }
        if (got <= 0)
            return;
        switch (message.type) {
        case MESSAGE_FORK: fork_on_command(mold, &message, descriptors); break;
        case MESSAGE_ACCESS_LOG: replace_access_log(mold, descriptors[0]); break;
        case MESSAGE_MEASURE: measure(mold); break;
        default: log_warnx("the mold was sent an unexpected message %s", message_name(message.type)); break;
        }
    }
}

int mold_run(const struct mold_options *options)
{
    struct mold mold = { .options = options, .access_log = options->access_log };
    struct strbuf error = { 0 };
    ignore_stray_signals();
    title_mold(options->pool->name, options->generation);
    limit_descriptors(options->descriptor_limit);
    bool settled = allocator_settle(options->pool->allocator, &error);
    fcgi_init();
    mold.board = scoreboard_attach(options->scoreboard);
    if (!mold.board)
        fatal("the scoreboard can't be mapped");
    if (!settled) {
        send_failure(options->channel, error.data);
        return 1;
    }
    if (load(&mold) < 0)
        return 1;
    obey(&mold);
    return 0;
}
