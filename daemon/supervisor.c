#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "crash_loop.h"
#include "dev.h"
#include "load_config.h"
#include "log.h"
#include "logs.h"
#include "oom_score.h"
#include "pid_file.h"
#include "root_users.h"
#include "succession.h"
#include "state.h"
#include "upgrade_guard.h"
#include "workers.h"
#include "xalloc.h"

#define OWN_OOM_SCORE (-500)
/* For so long it is waited for that the workers of a supervisor that was killed let go of its listening sockets. They
 * do so at once when they have a processor. */
#define LET_GO_NS (5 * CLOCK_NS_PER_S)

struct pool *supervisor_pool(const struct supervisor *supervisor, const char *name)
{
    for (size_t i = 0; i < supervisor->pool_count; i++)
        if (strcmp(supervisor->pools[i]->name, name) == 0)
            return supervisor->pools[i];
    return NULL;
}

struct pool *supervisor_add_pool(struct supervisor *supervisor, const char *name)
{
    struct pool *pool = pool_new(supervisor, name);
    supervisor->pools = xreallocarray(supervisor->pools, supervisor->pool_count + 1, sizeof *supervisor->pools);
    supervisor->pools[supervisor->pool_count++] = pool;
    return pool;
}

static void remove_pool(struct supervisor *supervisor, size_t index)
{
    log_info("%s: the pool is gone", supervisor->pools[index]->name);
    pool_free(supervisor->pools[index]);
    supervisor->pool_count--;
    memmove(&supervisor->pools[index], &supervisor->pools[index + 1],
            (supervisor->pool_count - index) * sizeof *supervisor->pools);
}

void supervisor_pool_changed(struct supervisor *supervisor)
{
    loop_timer_set(supervisor->loop, &supervisor->changed, clock_monotonic_ns());
}

/* At start every pool must come up, but those that a reload has taken out again; the first that fails ends it. */
static void look_while_starting(struct supervisor *supervisor)
{
    bool all_serve = true;
    for (size_t i = 0; i < supervisor->pool_count; i++) {
        const struct pool *pool = supervisor->pools[i];
        if (pool->serving || pool->stopping || pool->stuck)
            continue;
        if (pool->upcoming) {
            all_serve = false;
            continue;
        }
        fprintf(stderr, "cowherd: %s: %s\n", pool->name, pool->last_error ? pool->last_error : "can't be started");
        supervisor->exit_status = 1;
        supervisor_stop(supervisor, true, NULL);
        return;
    }
    if (!all_serve)
        return;
    supervisor->state = SUPERVISOR_RUNNING;
    succession_take_over(supervisor);
    log_info("ready: %zu %s", supervisor->pool_count, supervisor->pool_count == 1 ? "pool" : "pools");
}

static void pools_changed(void *data)
{
    struct supervisor *supervisor = data;
    for (size_t i = supervisor->pool_count; i-- > 0;) {
        struct pool *pool = supervisor->pools[i];
        if (!pool_is_gone(pool))
            continue;
        if (pool->stopping)
            remove_pool(supervisor, i);
        else if (supervisor->state == SUPERVISOR_RUNNING)
            /* A pool that a reload brought and that never served: the next reload tries again. */
            remove_pool(supervisor, i);
    }
    if (supervisor->state == SUPERVISOR_STARTING)
        look_while_starting(supervisor);
    if (supervisor->state == SUPERVISOR_STOPPING && supervisor->pool_count == 0)
        loop_stop(supervisor->loop);
    socket_files_look(&supervisor->socket_files); /* those of a generation that came up are watched from here */
    announce_look(&supervisor->announce, supervisor);
    xalloc_give_back(); /* the configuration was read, or one is no longer needed */
}

static void reload_all(struct supervisor *supervisor, struct config *config, struct ticket *ticket)
{
    for (size_t i = 0; i < supervisor->pool_count; i++)
        if (!config_pool_find(config, supervisor->pools[i]->name))
            pool_stop(supervisor->pools[i], false);
    for (size_t i = 0; i < config->pool_count; i++) {
        struct pool *pool = supervisor_pool(supervisor, config->pools[i].name);
        if (!pool)
            pool = supervisor_add_pool(supervisor, config->pools[i].name);
        ticket_hold(ticket);
        pool_reload(pool, config, ticket);
    }
}

static bool same_string(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static void adopt_config(struct supervisor *supervisor, struct config *config)
{
    struct strbuf error = { 0 };
    const struct config *old = supervisor->config;
    if (!same_string(old->control, config->control) || !same_string(old->pid_file, config->pid_file))
        log_warnx("control and pid_file change with a restart only; the old ones stay in use");
    config_release(supervisor->config);
    supervisor->config = config;
    status_server_configured(&supervisor->status_server);
    if (logs_open(&config->log, &error) < 0)
        log_warnx("%s; the old log files stay in use", error.data);
    strbuf_free(&error);
}

static char *join_lines(const struct config_strings *lines)
{
    struct strbuf text = { 0 };
    for (size_t i = 0; i < lines->count; i++)
        strbuf_printf(&text, "%s%s", i ? "\n" : "", lines->items[i]);
    return strbuf_detach(&text);
}

void supervisor_reload(struct supervisor *supervisor, const char *name, struct ticket *ticket)
{
    if (supervisor->state == SUPERVISOR_STOPPING) {
        ticket_settle(ticket, false, "cowherd is being stopped");
        return;
    }
    announce_reloading(&supervisor->announce, supervisor);
    announce_refusal(&supervisor->announce, NULL);
    supervisor_pool_changed(supervisor);
    struct config_report report = { 0 };
    struct strbuf root_users = { 0 };
    struct config *config = config_load(supervisor->config_path, &report);
    if (config && supervisor->dev) {
        dev_adapt(supervisor->dev, config);
        dev_watch_config(supervisor->dev, config);
    }
    if (!config) {
        char *errors = join_lines(&report.errors);
        log_warnx("reload: the configuration can't be used, the old one stays in force:\n%s", errors);
        ticket_settle(ticket, false, "the configuration can't be used, the old one stays in force:\n%s", errors);
        announce_refusal(&supervisor->announce, errors);
        free(errors);
    } else if (root_users_unasked(config, &root_users)) {
        log_warnx("reload: the configuration can't be used, the old one stays in force:\n%s", root_users.data);
        ticket_settle(ticket, false, "the configuration can't be used, the old one stays in force:\n%s",
                      root_users.data);
        announce_refusal(&supervisor->announce, root_users.data);
        config_release(config);
    } else if (name && !config_pool_find(config, name)) {
        ticket_settle(ticket, false, "there is no pool \"%s\" in %s", name, supervisor->config_path);
        config_release(config);
    } else if (name) {
        struct pool *pool = supervisor_pool(supervisor, name);
        pool_reload(pool ? pool : supervisor_add_pool(supervisor, name), config, ticket);
        config_release(config);
    } else {
        adopt_config(supervisor, config);
        reload_all(supervisor, config, ticket);
        ticket_settle(ticket, true, "%s", "");
    }
    strbuf_free(&root_users);
    config_report_free(&report);
}

void supervisor_stop(struct supervisor *supervisor, bool now, struct ticket *ticket)
{
    ticket_list_add(&supervisor->stop_tickets, ticket);
    supervisor->state = SUPERVISOR_STOPPING;
    upgrade_cancel(supervisor, "cowherd is being stopped");
    for (size_t i = 0; i < supervisor->pool_count; i++)
        pool_stop(supervisor->pools[i], now);
    supervisor_pool_changed(supervisor);
}

void supervisor_reopen_logs(struct supervisor *supervisor)
{
    struct strbuf error = { 0 };
    if (logs_open(&supervisor->config->log, &error) < 0)
        log_warnx("%s; the old log files stay in use", error.data);
    else
        log_info("the logs are reopened");
    strbuf_free(&error);
    for (size_t i = 0; i < supervisor->pool_count; i++)
        for (struct generation *g = supervisor->pools[i]->generations; g; g = g->next)
            generation_send_access_log(g);
}

static bool all_busy(const struct generation *generation)
{
    unsigned serving = 0;
    for (uint32_t i = 0; i < generation->worker_slots; i++) {
        const struct worker *worker = &generation->workers[i];
        if (!worker->in_use || worker->state != CHILD_SERVING)
            continue;
        serving++;
        if (atomic_load_explicit(&worker->slot->state, memory_order_relaxed) != SLOT_BUSY)
            return false;
    }
    return serving > 0;
}

static void tick(void *data)
{
    struct supervisor *supervisor = data;
    xalloc_be_patient();
    for (size_t i = 0; i < supervisor->pool_count; i++) {
        struct pool *pool = supervisor->pools[i];
        if (!pool->serving)
            continue;
        pool->all_busy += all_busy(pool->serving);
        for (size_t j = 0; j < pool->listener_count; j++)
            listener_queue(pool->listeners[j]); /* for its peak */
        crash_loop_look(pool);
        workers_recycle(pool->serving);
        rescue_deliver(pool); /* nobody tells of a worker that has room again */
    }
    announce_look(&supervisor->announce, supervisor);
    socket_files_look(&supervisor->socket_files);
    oom_watch_look(&supervisor->oom_watch, clock_monotonic_ns());
    loop_timer_set(supervisor->loop, &supervisor->tick, clock_monotonic_ns() + CLOCK_NS_PER_S);
}

/* /run/cowherd and the like need not exist before the first start. */
static void make_parent_folder(const char *path)
{
    char *copy = xstrdup(path);
    if (mkdir(dirname(copy), 0755) < 0 && errno != EEXIST)
        log_warn("can't make the folder of %s", path);
    free(copy);
}

/* Descriptors 0 to 2 are never somebody else's. */
static void keep_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

/* Each worker takes two; a thousand of them are more than the soft limit that most systems start programs with. */
static void raise_descriptor_limit(struct supervisor *supervisor)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        fatal("getrlimit");
    supervisor->descriptor_limit = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_warn("the limit of open files can't be raised to %lu", (unsigned long)limit.rlim_max);
}

static int start(struct supervisor *supervisor)
{
    struct strbuf error = { 0 };
    make_parent_folder(supervisor->config->control);
    if (!succession_is_predecessor(succession_listener(supervisor->config->control)))
        supervisor->control = control_open(supervisor, supervisor->config->control, &error);
    else
        supervisor->take_control = true;
    if (!supervisor->control && !supervisor->take_control) {
        fprintf(stderr, "cowherd: control: %s\n", error.data);
        strbuf_free(&error);
        return -1;
    }
    if (supervisor->control && control_listeners(supervisor->control)->found_stale)
        supervisor->listeners.patient_until_ns = clock_monotonic_ns() + LET_GO_NS;
    reload_all(supervisor, supervisor->config, NULL);
    supervisor->listeners.patient_until_ns = 0;
    listener_warn_unused(&supervisor->listeners);
    return 0;
}

/* What every supervisor has, whether it starts or takes over. */
static void prepare(struct supervisor *supervisor)
{
    supervisor->loop = loop_new();
    if (!supervisor->loop)
        fatal("epoll");
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        fatal("prctl(PR_SET_CHILD_SUBREAPER)");
    supervisor_open_signals(supervisor);
    announce_open(&supervisor->announce, supervisor->loop);
    upgrade_init(supervisor);
    status_server_init(&supervisor->status_server, supervisor);
    socket_files_open(&supervisor->socket_files, supervisor);
    supervisor->changed = (struct loop_timer){ .expired = pools_changed, .data = supervisor };
    supervisor->tick = (struct loop_timer){ .expired = tick, .data = supervisor };
}

static void run(struct supervisor *supervisor)
{
    sampler_start(&supervisor->sampler, supervisor);
    oom_watch_start(&supervisor->oom_watch, NULL);
    tick(supervisor);
    loop_run(supervisor->loop);
}

static void end(struct supervisor *supervisor)
{
    if (supervisor->dev)
        dev_stop(supervisor->dev);
    sampler_stop(&supervisor->sampler);
    announce_close(&supervisor->announce);
    oom_watch_stop(&supervisor->oom_watch);
    socket_files_close(&supervisor->socket_files);
    status_server_close(&supervisor->status_server);
    /* Who is told that it has stopped can start another one at once. */
    if (supervisor->control)
        control_stop_listening(supervisor->control);
    pid_file_close();
    ticket_list_settle(&supervisor->stop_tickets, true, "stopped");
    if (supervisor->control)
        control_close(supervisor->control);
    loop_remove(supervisor->loop, &supervisor->signals);
    close(supervisor->signals.fd);
    loop_free(supervisor->loop);
    free(supervisor->pools);
    upgrade_free(supervisor);
}

static void start_and_run(struct supervisor *supervisor)
{
    prepare(supervisor);
    if (supervisor->dev)
        dev_start(supervisor->dev, supervisor);
    if (start(supervisor) == 0)
        run(supervisor);
    else
        supervisor->exit_status = 1;
    end(supervisor);
}

/* In place of the program that ran in this process before. Until it is done nothing must happen that can't be undone.
 */
static int take_over(const struct upgrade_handed *handed, const char *config_path)
{
    struct supervisor supervisor = { 0 };
    struct state_reader reader = { 0 };

    upgrade_guard(handed, config_path);
    char *text = upgrade_read_state(handed->state);
    prepare(&supervisor);
    if (text)
        state_reader_start(&reader, text);
    else
        state_error(&reader, "the state can't be read: %s", strerror(errno));
    bool adopted = state_adopt(&supervisor, &reader);
    upgrade_unguard();
    if (!adopted) {
        upgrade_return(handed, config_path, reader.error.data);
        fatalx("the supervisor can't be taken over, and there is no way back: %s", reader.error.data);
    }
    upgrade_done(&supervisor, handed, &reader);
    state_reader_free(&reader);
    free(text);
    state_resume(&supervisor);
    /* Who died meanwhile has sent its signal already. */
    supervisor_reap(&supervisor);
    run(&supervisor);
    end(&supervisor);
    log_info("stopped");
    logs_close();
    inherited_free(&supervisor.listeners.inherited);
    config_release(supervisor.config);
    free(supervisor.config_path);
    return supervisor.exit_status;
}

/* It is small, and all others depend on it: the last to be ended for memory. The pools have a setting of their own. */
static void protect_from_memory_shortage(void)
{
    if (oom_score_get() > OWN_OOM_SCORE)
        oom_score_set(OWN_OOM_SCORE);
}

int supervisor_run(const char *config_path, bool development)
{
    struct supervisor supervisor = { .started_ns = clock_monotonic_ns() };
    struct strbuf error = { 0 };
    struct upgrade_handed handed;
    char message[512];

    xalloc_keep_little();
    keep_standard_descriptors();
    if (upgrade_was_handed(&handed)) {
        int status = take_over(&handed, config_path);
        free(handed.failure);
        return status;
    }
    inherited_take(&supervisor.listeners.inherited);
    raise_descriptor_limit(&supervisor);
    protect_from_memory_shortage();
    supervisor.config = load_config(config_path);
    if (!supervisor.config) {
        inherited_free(&supervisor.listeners.inherited);
        return 2;
    }
    if (development) {
        supervisor.dev = dev_new();
        dev_adapt(supervisor.dev, supervisor.config);
    }
    if (root_users_unasked(supervisor.config, &error)) {
        fprintf(stderr, "%s\n", error.data);
        strbuf_free(&error);
        dev_free(supervisor.dev);
        config_release(supervisor.config);
        inherited_free(&supervisor.listeners.inherited);
        return 2;
    }
    supervisor.config_path = xstrdup(supervisor.config->path);
    if (logs_open(&supervisor.config->log, &error) < 0) {
        fprintf(stderr, "cowherd: %s\n", error.data);
        supervisor.exit_status = 1;
        goto done;
    }
    if (supervisor.config->pid_file) {
        make_parent_folder(supervisor.config->pid_file);
        supervisor.take_pid_file = succession_is_predecessor(pid_file_holder(supervisor.config->pid_file));
        if (!supervisor.take_pid_file && pid_file_open(supervisor.config->pid_file, message, sizeof message) < 0) {
            fprintf(stderr, "cowherd: %s\n", message);
            supervisor.exit_status = 1;
            goto done;
        }
    }
    if (supervisor.listeners.inherited.complaint)
        log_warnx("%s", supervisor.listeners.inherited.complaint);
    log_info("cowherd %s starts, configuration %s", COWHERD_VERSION, supervisor.config_path);
    start_and_run(&supervisor);
    log_info("stopped");
done:
    dev_free(supervisor.dev);
    logs_close();
    strbuf_free(&error);
    inherited_free(&supervisor.listeners.inherited);
    config_release(supervisor.config);
    free(supervisor.config_path);
    return supervisor.exit_status;
}
