#include <string.h>

#include "control.h"
#include "logs.h"
#include "orphans.h"
#include "pid_file.h"
#include "state.h"
#include "state_fields.h"

static void put_config(struct state_writer *writer, const char *key, const struct config *config)
{
    struct strbuf text = { 0 };
    if (!config)
        return;
    config_print(config, &text);
    state_put_string(writer, key, text.data);
    strbuf_free(&text);
}

static void put_timer(struct state_writer *writer, const char *key, const struct loop_timer *timer)
{
    if (loop_timer_is_set(timer))
        state_put_number(writer, key, timer->deadline_ns);
}

static void put_output(struct state_writer *writer, const struct output *output)
{
    if (!output->open)
        return;
    state_put_descriptor(writer, "output", output->source.fd);
    if (output->pending.length > 0)
        state_put_string(writer, "pending", output->pending.data);
}

/* Which of all listeners, by their numbers. */
static void put_listeners(struct state_writer *writer, const char *key, const struct supervisor *supervisor,
                          struct listener *const *listeners, size_t count)
{
    struct strbuf numbers = { 0 };
    for (size_t i = 0; i < count; i++) {
        unsigned number = 0;
        for (const struct listener *at = supervisor->listeners.first; at && at != listeners[i]; at = at->next)
            number++;
        strbuf_printf(&numbers, "%s%u", i ? "," : "", number);
    }
    state_put_string(writer, key, numbers.data);
    strbuf_free(&numbers);
}

static void save_worker(const struct worker *worker, struct state_writer *writer)
{
    state_put_record(writer, "worker");
    state_put_fields(writer, worker_fields, STATE_COUNT(worker_fields), worker);
    state_put_string(writer, "told_to_go", worker->told_to_go);
    state_put_string(writer, "replaced_because", worker->replaced_because);
    state_put_descriptor(writer, "channel", worker->channel.fd);
    state_put_descriptor(writer, "escrow", worker->escrow);
    put_output(writer, &worker->output);
    put_timer(writer, "deadline", &worker->deadline);
}

static void save_generation(const struct generation *generation, struct state_writer *writer)
{
    const struct pool *pool = generation->pool;
    struct strbuf config = { 0 };

    state_put_record(writer, "generation");
    state_put_fields(writer, generation_fields, STATE_COUNT(generation_fields), generation);
    config_print_pool(generation->config, generation->settings, &config);
    state_put_string(writer, "config", config.data);
    strbuf_free(&config);
    state_put_number(writer, "serving", pool->serving == generation);
    state_put_number(writer, "upcoming", pool->upcoming == generation);
    state_put_number(writer, "scaled", pool->scaled_config == generation->config);
    put_listeners(writer, "listeners", pool->supervisor, generation->listeners, generation->listener_count);
    state_put_number(writer, "slots", generation->worker_slots);
    state_put_descriptor(writer, "scoreboard", generation->board_fd);
    state_put_descriptor(writer, "channel", generation->mold.channel.fd);
    put_output(writer, &generation->mold.output);
    put_timer(writer, "deadline", &generation->deadline);
    put_timer(writer, "refill", &generation->refill);
    state_put_string(writer, "error", generation->error.data);
    for (uint32_t i = 0; i < generation->worker_slots; i++)
        if (generation->workers[i].in_use)
            save_worker(&generation->workers[i], writer);
}

static void save_pool(const struct pool *pool, struct state_writer *writer)
{
    state_put_record(writer, "pool");
    state_put_string(writer, "name", pool->name);
    state_put_fields(writer, pool_fields, STATE_COUNT(pool_fields), pool);
    put_listeners(writer, "listeners", pool->supervisor, pool->listeners, pool->listener_count);
    put_listeners(writer, "upcoming_listeners", pool->supervisor, pool->upcoming_listeners,
                  pool->upcoming_listener_count);
    put_config(writer, "next", pool->next);
    put_timer(writer, "retry", &pool->retry);
    put_timer(writer, "renewal", &pool->renewal);
    state_put_descriptor(writer, "handback", pool->handback);
    for (size_t i = 0; i < pool->stores.count; i++) {
        state_put_record(writer, "store");
        state_put_string(writer, "name", pool->stores.items[i].name);
        state_put_descriptor(writer, "data", pool->stores.items[i].data);
        state_put_descriptor(writer, "lock", pool->stores.items[i].lock);
    }
    for (size_t i = 0; i < pool->rescued.count; i++) {
        state_put_record(writer, "rescued");
        state_put_descriptor(writer, "connection", pool->rescued.fds[i]);
    }
    for (const struct generation *generation = pool->generations; generation; generation = generation->next)
        save_generation(generation, writer);
}

static void save_orphans(struct state_writer *writer)
{
    pid_t pid;
    int status;
    int64_t reaped_ns;
    for (size_t i = 0; orphans_at(i, &pid, &status, &reaped_ns); i++) {
        if (pid == 0)
            continue;
        state_put_record(writer, "orphan");
        state_put_number(writer, "pid", pid);
        state_put_number(writer, "status", status);
        state_put_number(writer, "reaped_ns", reaped_ns);
    }
}

/* Those that no pool names yet, too. */
static void save_inherited(const struct inherited *inherited, struct state_writer *writer)
{
    for (size_t i = 0; i < inherited->count; i++) {
        state_put_record(writer, "inherited");
        state_put_number(writer, "type", inherited->items[i].type);
        state_put_string(writer, "name", inherited->items[i].name);
        state_put_descriptor(writer, "descriptor", inherited->items[i].fd);
    }
}

void state_save(const struct supervisor *supervisor, struct state_writer *writer)
{
    state_writer_start(writer);
    state_put_record(writer, "supervisor");
    state_put_string(writer, "version", COWHERD_VERSION);
    state_put_number(writer, "children", state_children());
    state_put_fields(writer, supervisor_fields, STATE_COUNT(supervisor_fields), supervisor);
    put_config(writer, "config", supervisor->config);
    state_put_string(writer, "program", supervisor->upgrade.program);
    state_put_string(writer, "pid_file", pid_file_path());
    state_put_descriptor(writer, "pid_file_lock", pid_file_descriptor());
    state_put_descriptor(writer, "error_log", logs_error_descriptor());
    state_put_descriptor(writer, "access_log", logs_access_descriptor());
    control_save(supervisor->control, writer);
    status_server_save(&supervisor->status_server, writer);
    save_orphans(writer);
    save_inherited(&supervisor->listeners.inherited, writer);
    for (const struct listener *listener = supervisor->listeners.first; listener; listener = listener->next) {
        state_put_record(writer, "listener");
        listener_save(listener, writer);
    }
    for (size_t i = 0; i < supervisor->pool_count; i++)
        save_pool(supervisor->pools[i], writer);
    state_writer_finish(writer);
}
