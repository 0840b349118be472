#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "control.h"
#include "log.h"
#include "logs.h"
#include "orphans.h"
#include "pid_file.h"
#include "renewal.h"
#include "scaler.h"
#include "state.h"
#include "state_fields.h"
#include "time_outs.h"
#include "workers.h"
#include "xalloc.h"

/* A part of the state, and the pool and the generation that the present record belongs to. */
struct adoption {
    struct supervisor *supervisor;
    struct state_reader *reader;
    struct pool *pool;
    struct generation *generation;
};

/* NULL: there is none, or it can't be used, which is an error. */
static struct config *get_config(struct state_reader *reader, const char *key)
{
    const char *text = state_string(reader, key);
    struct config_report report = { 0 };
    if (!text)
        return NULL;
    struct config *config = config_parse(text, strlen(text), "the configuration in force", "/", &report);
    if (!config)
        state_error(reader, "%s", report.errors.count ? report.errors.items[0] : "the configuration can't be used");
    config_report_free(&report);
    return config;
}

static void get_timer(const struct adoption *adoption, const char *key, struct loop_timer *timer)
{
    loop_timer_set(adoption->supervisor->loop, timer, state_number(adoption->reader, key, 0));
}

static struct listener *listener_at(const struct supervisor *supervisor, unsigned long number)
{
    struct listener *listener = supervisor->listeners.first;
    for (; listener && number > 0; number--)
        listener = listener->next;
    return listener;
}

/* free(3). */
static struct listener **get_listeners(const struct adoption *adoption, const char *key, size_t *count)
{
    const char *at = state_string(adoption->reader, key);
    struct listener **listeners = xcalloc(1, sizeof *listeners);
    *count = 0;
    while (at && *at) {
        char *end;
        struct listener *listener = listener_at(adoption->supervisor, strtoul(at, &end, 10));
        if (!listener || end == at) {
            state_error(adoption->reader, "%s of a %s: there is no listener %s", key, adoption->reader->kind, at);
            break;
        }
        listeners = xreallocarray(listeners, *count + 2, sizeof *listeners);
        listeners[(*count)++] = listener;
        at = *end == ',' ? end + 1 : end;
    }
    return listeners;
}

/* As listener_acquire does. */
static struct listener **get_pool_listeners(const struct adoption *adoption, const char *key, size_t *count)
{
    struct listener **listeners = get_listeners(adoption, key, count);
    for (size_t i = 0; i < *count; i++) {
        listeners[i]->pools++;
        listener_hold(listeners[i]);
    }
    return listeners;
}

static void get_output(const struct adoption *adoption, struct output *output)
{
    const char *pending = state_string(adoption->reader, "pending");
    if (output->open && pending)
        strbuf_puts(&output->pending, pending);
}

static void adopt_supervisor(struct adoption *adoption)
{
    struct supervisor *supervisor = adoption->supervisor;
    struct state_reader *reader = adoption->reader;
    const char *program = state_string(reader, "program"), *pid_file = state_string(reader, "pid_file");

    if (state_number(reader, "children", 0) != state_children())
        state_error(reader, "the molds and workers of cowherd %s can't be led by this one (%s); restart in place of it",
                    state_string(reader, "version"), COWHERD_VERSION);
    state_get_fields(reader, supervisor_fields, STATE_COUNT(supervisor_fields), supervisor);
    if (supervisor->state != SUPERVISOR_STARTING && supervisor->state != SUPERVISOR_RUNNING)
        state_error(reader, "a supervisor in state %u can't be taken over", supervisor->state);
    supervisor->config = get_config(reader, "config");
    if (supervisor->config && supervisor->config_path && !*supervisor->config->path) {
        free(supervisor->config->path);
        supervisor->config->path = xstrdup(supervisor->config_path);
    }
    if (!supervisor->config || !supervisor->config_path || !program) {
        state_error(reader, "the state does not say what is configured");
        return;
    }
    free(supervisor->upgrade.program);
    supervisor->upgrade.program = xstrdup(program);
    int lock = state_descriptor(reader, "pid_file_lock");
    if (pid_file && lock >= 0)
        pid_file_adopt(pid_file, lock);
    int error_log = state_descriptor(reader, "error_log");
    logs_adopt(&supervisor->config->log, error_log, state_descriptor(reader, "access_log"));
}

static void adopt_inherited(struct adoption *adoption)
{
    struct inherited *inherited = &adoption->supervisor->listeners.inherited;
    struct state_reader *reader = adoption->reader;
    const char *name = state_string(reader, "name");
    const struct inherited_socket socket = { .type = (enum config_listen_type)state_number(reader, "type", 0),
                                             .name = xstrdup(name ? name : ""),
                                             .fd = state_descriptor(reader, "descriptor") };

    inherited->items = xreallocarray(inherited->items, inherited->count + 1, sizeof *inherited->items);
    inherited->items[inherited->count++] = socket;
}

static void adopt_listener(struct adoption *adoption)
{
    struct listener **link = &adoption->supervisor->listeners.first;
    while (*link)
        link = &(*link)->next;
    *link = listener_adopt(adoption->reader);
}

static void adopt_pool(struct adoption *adoption)
{
    const char *name = state_string(adoption->reader, "name");
    struct pool *pool = supervisor_add_pool(adoption->supervisor, name ? name : "");
    if (!name)
        state_error(adoption->reader, "a pool has no name");
    adoption->pool = pool;
    adoption->generation = NULL;
    state_get_fields(adoption->reader, pool_fields, STATE_COUNT(pool_fields), pool);
    if (pool->last_recycled.reason >= RECYCLE_REASONS)
        state_error(adoption->reader, "a worker was recycled for reason %u, which nobody knows",
                    pool->last_recycled.reason);
    pool->listeners = get_pool_listeners(adoption, "listeners", &pool->listener_count);
    pool->upcoming_listeners = get_pool_listeners(adoption, "upcoming_listeners", &pool->upcoming_listener_count);
    pool->next = get_config(adoption->reader, "next");
    get_timer(adoption, "retry", &pool->retry);
    renewal_resume(pool, state_number(adoption->reader, "renewal", 0));
    pool->handback = state_descriptor(adoption->reader, "handback");
}

static void adopt_store(struct adoption *adoption)
{
    const char *name = state_string(adoption->reader, "name");
    int data = state_descriptor(adoption->reader, "data"), lock = state_descriptor(adoption->reader, "lock");
    if (adoption->pool && name && data >= 0 && lock >= 0)
        stores_adopt(&adoption->pool->stores, name, data, lock);
    else
        state_error(adoption->reader, "a store has no name, no memory or no pool");
}

static void adopt_rescued(struct adoption *adoption)
{
    int connection = state_descriptor(adoption->reader, "connection");
    if (adoption->pool && connection >= 0)
        rescue_adopt(adoption->pool, connection);
    else
        state_error(adoption->reader, "a connection that waits for a worker is not there, or has no pool");
}

static struct generation *make_generation(const struct adoption *adoption, struct config *config)
{
    struct state_reader *reader = adoption->reader;
    size_t count;
    struct strbuf error = { 0 };
    int64_t slots = state_number(reader, "slots", 0);
    int board = state_descriptor(reader, "scoreboard");
    if (board < 0 || slots < 1 || slots > UINT32_MAX) {
        state_error(reader, "a generation has no scoreboard");
        return NULL;
    }
    struct listener **listeners = get_listeners(adoption, "listeners", &count);
    struct generation *generation =
        generation_adopt(adoption->pool, config, listeners, count, board, (uint32_t)slots, &error);
    if (!generation)
        state_error(reader, "%s", error.data);
    free(listeners);
    strbuf_free(&error);
    return generation;
}

static void adopt_generation(struct adoption *adoption)
{
    struct state_reader *reader = adoption->reader;
    struct pool *pool = adoption->pool;
    /* A scaled configuration is one for all its generations: it is known by its address. */
    bool scaled = pool && state_number(reader, "scaled", 0) != 0;
    struct config *config =
        scaled && pool->scaled_config ? config_retain(pool->scaled_config) : get_config(reader, "config");
    adoption->generation = NULL;
    if (!config || !pool || config->pool_count != 1) {
        state_error(reader, "a generation has no pool");
        config_release(config);
        return;
    }
    struct generation *generation = make_generation(adoption, config);
    config_release(config);
    if (!generation)
        return;
    struct generation **link = &pool->generations;
    while (*link)
        link = &(*link)->next;
    *link = adoption->generation = generation;
    if (scaled && !pool->scaled_config)
        pool->scaled_config = config_retain(generation->config);
    state_get_fields(reader, generation_fields, STATE_COUNT(generation_fields), generation);
    if (generation->state >= GENERATION_STATES)
        state_error(reader, "a generation in state %u is nothing that is known", generation->state);
    if (state_number(reader, "serving", 0))
        pool->serving = generation;
    if (state_number(reader, "upcoming", 0))
        pool->upcoming = generation;
    if (state_string(reader, "error"))
        strbuf_puts(&generation->error, state_string(reader, "error"));
    get_timer(adoption, "deadline", &generation->deadline);
    int channel = state_descriptor(reader, "channel");
    if (!generation_adopt_mold(generation, channel, state_descriptor(reader, "output")))
        state_error(reader, "a mold can't be watched");
    get_output(adoption, &generation->mold.output);
    workers_adopt_refill(generation, state_number(reader, "refill", 0));
}

static void adopt_worker(struct adoption *adoption)
{
    struct state_reader *reader = adoption->reader;
    struct generation *generation = adoption->generation;
    int64_t index = state_number(reader, "index", -1);
    if (!generation || index < 0 || index >= generation->worker_slots || generation->workers[index].in_use) {
        state_error(reader, "a worker has no slot");
        return;
    }
    struct worker *worker = &generation->workers[index];
    state_get_fields(reader, worker_fields, STATE_COUNT(worker_fields), worker);
    if (worker->state >= CHILD_GONE || worker->replaced >= RECYCLE_REASONS)
        state_error(reader, "a worker in state %u is nothing that is known", worker->state);
    /* Why it was told to go, and why it is replaced, are the same for one that is; else only the first counts. */
    const char *told = state_string(reader, "told_to_go"), *because = state_string(reader, "replaced_because");
    snprintf(worker->replaced_because, sizeof worker->replaced_because, "%s", told ? told : because ? because : "");
    worker->told_to_go = told ? worker->replaced_because : NULL;
    int channel = state_descriptor(reader, "channel");
    worker->escrow = state_descriptor(reader, "escrow");
    if (!workers_adopt(worker, channel, state_descriptor(reader, "output")))
        state_error(reader, "a worker can't be watched");
    get_output(adoption, &worker->output);
    get_timer(adoption, "deadline", &worker->deadline);
}

static void adopt_control(struct adoption *adoption)
{
    adoption->supervisor->control = control_adopt(adoption->supervisor, adoption->reader);
}

static void adopt_client(struct adoption *adoption)
{
    if (adoption->supervisor->control)
        control_adopt_client(adoption->supervisor->control, adoption->reader);
}

static void adopt_status_server(struct adoption *adoption)
{
    status_server_adopt(&adoption->supervisor->status_server, adoption->supervisor, adoption->reader);
}

static void adopt_orphan(struct adoption *adoption)
{
    const struct state_reader *reader = adoption->reader;
    orphans_add((pid_t)state_number(reader, "pid", 0), (int)state_number(reader, "status", 0),
                state_number(reader, "reaped_ns", 0));
}

/* What belongs to another record comes behind it. */
static const struct {
    const char *kind;
    void (*adopt)(struct adoption *adoption);
} takers[] = {
    { "supervisor", adopt_supervisor },       { "control", adopt_control }, { "client", adopt_client },
    { "status_server", adopt_status_server }, { "orphan", adopt_orphan },   { "inherited", adopt_inherited },
    { "listener", adopt_listener },           { "pool", adopt_pool },       { "store", adopt_store },
    { "generation", adopt_generation },       { "worker", adopt_worker },   { "rescued", adopt_rescued },
};

static void adopt_record(struct adoption *adoption)
{
    for (size_t i = 0; i < sizeof takers / sizeof *takers; i++)
        if (strcmp(adoption->reader->kind, takers[i].kind) == 0) {
            takers[i].adopt(adoption);
            return;
        }
}

bool state_adopt(struct supervisor *supervisor, struct state_reader *reader)
{
    struct adoption adoption = { .supervisor = supervisor, .reader = reader };
    for (; reader->kind && reader->error.length == 0; state_next(reader))
        adopt_record(&adoption);
    if (!supervisor->config || !supervisor->control)
        state_error(reader, "the state is not complete");
    return reader->error.length == 0;
}

void state_resume(struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->pool_count; i++) {
        for (struct generation *g = supervisor->pools[i]->generations; g; g = g->next) {
            time_outs_start(g);
            if (g == supervisor->pools[i]->serving)
                scaler_serve(g);
            generation_check_empty(g);
        }
        rescue_deliver(supervisor->pools[i]);
    }
    supervisor_pool_changed(supervisor);
}
