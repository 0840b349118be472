#include "trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"
#include "obituary.h"
#include "supervisor.h"
#include "workers.h"
#include "xalloc.h"

/* One line for each place that writes. A longer report is none. */
#define REPORT_MAX ((size_t)16 << 20)

struct trace {
    struct ticket *ticket; /* NULL: settled */
    int report;            /* memfd */
};

static void settle(struct trace *trace, bool succeeded, const char *text)
{
    struct ticket *ticket = trace->ticket;
    trace->ticket = NULL;
    ticket_settle(ticket, succeeded, "%s", text);
}

static bool is_traced(const struct generation *generation)
{
    for (uint32_t i = 0; i < generation->worker_slots; i++)
        if (generation->workers[i].trace)
            return true;
    return false;
}

static const char *obstacle(const struct generation *generation)
{
    if (!generation || generation->state != GENERATION_SERVING)
        return "no generation of it serves";
    if (generation->region_bytes == 0)
        return "nothing is frozen (frozen: false), so there is nothing shared to trace";
    if (generation->mold.channel.fd < 0)
        return "its mold is gone; another generation is on its way";
    return is_traced(generation) ? "it is being traced already" : NULL;
}

void trace_start(struct pool *pool, uint64_t requests, struct ticket *ticket)
{
    struct generation *generation = pool->serving;
    const char *problem = obstacle(generation);
    if (problem) {
        ticket_settle(ticket, false, "%s: %s", pool->name, problem);
        return;
    }
    int report = memfd_create("cowherd-report", MFD_CLOEXEC);
    struct worker *worker = report < 0 ? NULL : workers_order_traced(generation, requests, report);
    if (!worker) {
        ticket_settle(ticket, false, "%s: can't order a worker: %s", pool->name, strerror(errno));
        if (report >= 0)
            close(report);
        return;
    }
    struct trace *trace = xcalloc(1, sizeof *trace);
    *trace = (struct trace){ .ticket = ticket, .report = report };
    worker->trace = trace;
    log_info("%s: worker %u traces its writes to preloaded state, for %llu requests", pool->name, worker->index,
             (unsigned long long)requests);
}

static struct worker *find(const struct supervisor *supervisor, const struct ticket *ticket)
{
    for (size_t i = 0; i < supervisor->pool_count; i++)
        for (struct generation *g = supervisor->pools[i]->generations; g; g = g->next)
            for (uint32_t j = 0; j < g->worker_slots; j++)
                if (g->workers[j].trace && g->workers[j].trace->ticket == ticket)
                    return &g->workers[j];
    return NULL;
}

bool trace_finish(struct supervisor *supervisor, const struct ticket *ticket, const char *reason)
{
    struct worker *worker = find(supervisor, ticket);
    if (worker)
        workers_drain_one(worker, reason);
    return worker != NULL;
}

static bool read_report(int fd, uint64_t bytes, struct strbuf *text)
{
    char chunk[16384];
    if (bytes > REPORT_MAX)
        return false;
    for (uint64_t at = 0; at < bytes;) {
        size_t wanted = bytes - at < sizeof chunk ? (size_t)(bytes - at) : sizeof chunk;
        ssize_t got = pread(fd, chunk, wanted, (off_t)at);
        if (got <= 0)
            return false;
        strbuf_append(text, chunk, (size_t)got);
        at += (uint64_t)got;
    }
    return true;
}

void trace_reported(struct worker *worker, uint64_t bytes, int error)
{
    struct trace *trace = worker->trace;
    struct strbuf text = { 0 };
    if (!trace || !trace->ticket) {
        /* An upgrade ends a trace, whose worker reports nevertheless. */
        if (worker->told_to_go)
            return;
        log_warnx("%s: worker %u sent a report that was not asked for", worker->generation->pool->name, worker->index);
        return;
    }
    if (worker->told_to_go)
        strbuf_printf(&text, "ended\t%s\n", worker->told_to_go);
    if (error == 0 && read_report(trace->report, bytes, &text))
        settle(trace, true, text.data);
    else
        settle(trace, false, error ? strerror(error) : "the worker's report can't be read");
    strbuf_free(&text);
}

void trace_over(struct worker *worker, int status)
{
    struct trace *trace = worker->trace;
    const char *pool = worker->generation->pool->name;
    worker->trace = NULL;
    if (trace->ticket && status < 0)
        ticket_settle(trace->ticket, false, "%s: the worker could not be forked; the error log says more", pool);
    else if (trace->ticket)
        ticket_settle(trace->ticket, false, "%s: the worker that traced (%ld) ended without a report: %s", pool,
                      (long)worker->pid, obituary_cause(status));
    close(trace->report);
    free(trace);
}
