#include "announce.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "status.h"
#include "strbuf.h"
#include "supervisor.h"
#include "xalloc.h"

#define CAUSE_MAX 300

void announce_open(struct announce *announce, struct loop *loop)
{
    *announce = (struct announce){ 0 };
    notify_open(&announce->notify, loop);
}

void announce_close(struct announce *announce)
{
    notify_close(&announce->notify);
    free(announce->status);
    free(announce->refusal);
    announce->status = announce->refusal = NULL;
}

void announce_reloading(struct announce *announce, const struct supervisor *supervisor)
{
    if (announce->notify.fd < 0 || supervisor->state != SUPERVISOR_RUNNING)
        return;
    char *text = xasprintf("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)(clock_monotonic_ns() / 1000));
    notify_send(&announce->notify, text);
    free(text);
    announce->told = TOLD_RELOADING;
}

void announce_refusal(struct announce *announce, const char *errors)
{
    free(announce->refusal);
    announce->refusal = errors ? xstrdup(errors) : NULL;
}

static bool all_settled(const struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->pool_count; i++) {
        const struct pool *pool = supervisor->pools[i];
        if (pool->upcoming || pool->next || (pool->serving && loop_timer_is_set(&pool->serving->handover)))
            return false;
    }
    return true;
}

/* The beginning of the first line: a line is an assignment, and a datagram has room for so much. */
static void add_cause(struct strbuf *text, const char *cause)
{
    int length = (int)strcspn(cause, "\n");
    if (length > CAUSE_MAX)
        for (length = CAUSE_MAX; length > 0 && ((unsigned char)cause[length] & 0xc0) == 0x80;)
            length--; /* not within a character: systemd would take nothing of it */
    strbuf_printf(text, "%.*s", length, cause);
}

/*
 * "2 pools, 6 workers; web: reloading", and why the last reload failed. Not what changes with each request: every line
 * is a message on the bus.
 */
static char *describe(const struct announce *announce, const struct supervisor *supervisor)
{
    struct strbuf text = { 0 };
    unsigned workers = 0;
    for (size_t i = 0; i < supervisor->pool_count; i++)
        for (const struct generation *g = supervisor->pools[i]->generations; g; g = g->next)
            workers += generation_count(g, CHILD_SERVING);
    strbuf_printf(&text, "%zu %s, %u %s", supervisor->pool_count, supervisor->pool_count == 1 ? "pool" : "pools",
                  workers, workers == 1 ? "worker" : "workers");
    for (size_t i = 0; i < supervisor->pool_count; i++) {
        const struct pool *pool = supervisor->pools[i];
        const char *state = status_pool_state(pool);
        if (strcmp(state, "serving") != 0) {
            strbuf_printf(&text, "; %s: %s", pool->name, state);
        } else if (pool->last_error) {
            strbuf_printf(&text, "; %s: generation %u failed: ", pool->name, pool->last_error_generation);
            add_cause(&text, pool->last_error);
        }
    }
    if (announce->refusal) {
        strbuf_puts(&text, "; the configuration can't be used: ");
        add_cause(&text, announce->refusal);
    }
    return strbuf_detach(&text);
}

void announce_look(struct announce *announce, const struct supervisor *supervisor)
{
    if (announce->notify.fd < 0)
        return;
    const char *news = "";
    enum announced tells = announce->told;
    if (supervisor->state == SUPERVISOR_STOPPING && announce->told != TOLD_STOPPING) {
        news = "STOPPING=1\n";
        tells = TOLD_STOPPING;
    } else if (supervisor->state == SUPERVISOR_RUNNING && announce->told != TOLD_READY && all_settled(supervisor)) {
        news = "READY=1\n";
        tells = TOLD_READY;
    }
    char *status = describe(announce, supervisor);
    char *text = xasprintf("%sSTATUS=%s", news, status);
    bool same = !*news && announce->status && strcmp(announce->status, status) == 0;
    /* What could not be told now is told at the next look. */
    if (same || !notify_send(&announce->notify, text)) {
        free(status);
    } else {
        announce->told = tells;
        free(announce->status);
        announce->status = status;
    }
    free(text);
}
