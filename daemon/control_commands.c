#include "control_commands.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "inquiry.h"
#include "log.h"
#include "memory_report.h"
#include "scaler.h"
#include "status.h"
#include "supervisor.h"
#include "trace.h"

#define MEMORY_PATIENCE_NS CLOCK_NS_PER_S
#define HEAP_PATIENCE_NS (5 * CLOCK_NS_PER_S)

static void command_status(struct client *client, char *const arguments[])
{
    struct strbuf text = { 0 };
    if (arguments[0] && strcmp(arguments[0], "json") == 0)
        status_json(client->supervisor, &text);
    else
        status_table(client->supervisor, &text);
    client_answer(client, true, text.data);
    strbuf_free(&text);
}

/* NULL: answered why not. */
static struct pool *find_pool(struct client *client, const char *name)
{
    const struct supervisor *supervisor = client->supervisor;
    struct pool *pool = name ? supervisor_pool(supervisor, name) : NULL;
    struct strbuf text = { 0 };
    if (!name && supervisor->pool_count == 1)
        pool = supervisor->pools[0];
    if (pool)
        return pool;
    if (name)
        strbuf_printf(&text, "there is no pool \"%s\"; the pools are:", name);
    else
        strbuf_puts(&text, "name one of the pools:");
    for (size_t i = 0; i < supervisor->pool_count; i++)
        strbuf_printf(&text, " %s", supervisor->pools[i]->name);
    client_answer(client, false, text.data);
    strbuf_free(&text);
    return NULL;
}

/* "memory", "table" or "json", then perhaps a pool. */
static void answer_memory(struct client *client)
{
    const struct supervisor *supervisor = client->supervisor;
    const char *format = client->words[1], *name = client->words[2];
    struct strbuf text = { 0 };
    struct pool *pool = name ? find_pool(client, name) : NULL;
    if (name && !pool)
        return;
    if (strcmp(format, "json") == 0)
        memory_report_json(supervisor, pool, &text);
    else
        memory_report_table(supervisor, pool, &text);
    client_answer(client, true, text.data);
    strbuf_free(&text);
}

/* A child that is busy is looked at from outside, if that is allowed. */
static void memory_late(struct client *client)
{
    sampler_refresh(&client->supervisor->sampler);
    answer_memory(client);
}

static void command_memory(struct client *client, char *const arguments[])
{
    struct supervisor *supervisor = client->supervisor;
    if (!arguments[0]) {
        client_answer(client, false, "memory: \"table\" or \"json\" is missing");
        return;
    }
    if (arguments[1] && !find_pool(client, arguments[1]))
        return; /* answered, and perhaps freed, the arguments with it */
    client->settled = answer_memory;
    struct ticket *ticket = client_wait_until_late(client, MEMORY_PATIENCE_NS, memory_late);
    for (size_t i = 0; i < supervisor->pool_count; i++)
        if (!arguments[1] || strcmp(supervisor->pools[i]->name, arguments[1]) == 0)
            inquiry_memory(supervisor->pools[i], ticket);
    ticket_settle(ticket, true, "%s", "");
}

static void heap_late(struct client *client)
{
    client_answer(client, false, "the worker has not answered within 5 s: it is busy with a request, or stopped");
}

/* "heap", a pool or "-", perhaps a worker's number. */
static void command_heap(struct client *client, char *const arguments[])
{
    const char *name = arguments[0] && strcmp(arguments[0], "-") != 0 ? arguments[0] : NULL;
    long number = arguments[0] && arguments[1] ? strtol(arguments[1], NULL, 10) : -1;
    struct pool *pool = find_pool(client, name);
    if (pool)
        inquiry_heap(pool, number, client_wait_until_late(client, HEAP_PATIENCE_NS, heap_late));
}

static void command_reload(struct client *client, char *const arguments[])
{
    log_info("control: reload%s%s", arguments[0] ? " " : "", arguments[0] ? arguments[0] : "");
    supervisor_reload(client->supervisor, arguments[0], client_wait(client));
}

static void command_stop(struct client *client, char *const arguments[])
{
    bool now = arguments[0] && strcmp(arguments[0], "now") == 0;
    log_info("control: stop%s", now ? " now" : "");
    supervisor_stop(client->supervisor, now, client_wait(client));
}

static void command_reopen(struct client *client, char *const arguments[])
{
    (void)arguments;
    supervisor_reopen_logs(client->supervisor);
    client_answer(client, true, "");
}

static void command_upgrade(struct client *client, char *const arguments[])
{
    (void)arguments;
    log_info("control: upgrade");
    client->upgrades = true;
    upgrade_start(client->supervisor, client_wait(client));
}

static void command_trace_writes(struct client *client, char *const arguments[])
{
    uint64_t requests = arguments[0] && arguments[1] ? strtoull(arguments[1], NULL, 10) : 0;
    struct pool *pool = find_pool(client, arguments[0]);
    if (!pool)
        return; /* answered, and perhaps freed, the arguments with it */
    if (requests == 0)
        client_answer(client, false, "the number of requests must be at least 1");
    else
        trace_start(pool, requests, client_wait(client));
}

static void command_scale(struct client *client, char *const arguments[])
{
    struct strbuf text = { 0 };
    struct pool *pool;
    if (!arguments[0] || !arguments[1] || strspn(arguments[1], "0123456789") != strlen(arguments[1])) {
        client_answer(client, false, "scale: a pool and the number of its workers are expected");
    } else if ((pool = find_pool(client, arguments[0]))) {
        bool done = scaler_set(pool, strtoull(arguments[1], NULL, 10), &text);
        log_info("control: scale %s %s: %s", arguments[0], arguments[1], text.data);
        client_answer(client, done, text.data);
    }
    strbuf_free(&text);
}

static const struct {
    const char *name;
    unsigned arguments_max;
    void (*run)(struct client *client, char *const arguments[]);
} commands[] = {
    { "status", 1, command_status },
    { "memory", 2, command_memory },
    { "heap", 2, command_heap },
    { "reload", 1, command_reload },
    { "stop", 1, command_stop },
    { "reopen", 0, command_reopen },
    { "trace-writes", 2, command_trace_writes },
    { "scale", 2, command_scale },
    { "upgrade", 0, command_upgrade },
};

void control_run_command(struct client *client)
{
    char **words = client->words;
    size_t count = 0;
    char *rest = client->request.data;
    for (char *word; count <= CONTROL_ARGUMENTS_MAX && (word = strtok_r(rest, " ", &rest));)
        words[count++] = word;
    for (size_t i = 0; count > 0 && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(words[0], commands[i].name) != 0)
            continue;
        if (count - 1 > commands[i].arguments_max)
            break;
        commands[i].run(client, words + 1);
        return;
    }
    client_answer(client, false, "this cowherd does not know that command; it may be older than yours");
}
