#include "obituary.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "clock.h"
#include "log.h"
#include "pool.h"

static const char *limit_behind(int signal)
{
    return signal == SIGXCPU   ? ": processor time limit (rlimits.cpu) reached"
           : signal == SIGXFSZ ? ": file size limit (rlimits.fsize) reached"
                               : "";
}

const char *obituary_cause(int status)
{
    static char cause[120];
    if (WIFEXITED(status)) {
        snprintf(cause, sizeof cause, "exit status %d", WEXITSTATUS(status));
    } else {
        const char *name = sigabbrev_np(WTERMSIG(status));
        snprintf(cause, sizeof cause, "signal %d (SIG%s)%s%s", WTERMSIG(status), name ? name : "?",
                 limit_behind(WTERMSIG(status)), WCOREDUMP(status) ? ", core dumped" : "");
    }
    return cause;
}

static double seconds(int64_t ns)
{
    return (double)ns / (double)CLOCK_NS_PER_S;
}

void obituary_worker(const struct worker *worker, int status, int64_t now_ns)
{
    const struct generation *generation = worker->generation;
    const struct slot *slot = worker->slot;
    uint64_t accepted = atomic_load(&slot->accepted);
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0 && worker->told_to_go;
    char serving[SLOT_REQUEST_SIZE + 600] = "";
    int64_t request_started = atomic_load(&slot->request_started_ns);
    if (request_started) {
        char request[SLOT_REQUEST_SIZE];
        memcpy(request, slot->request, sizeof request);
        request[sizeof request - 1] = '\0';
        snprintf(serving, sizeof serving, ", serving %s for %.3f s (app %s)", request,
                 seconds(now_ns - request_started), generation_app_name(generation, atomic_load(&slot->app)));
    }
    struct strbuf text = { 0 };
    strbuf_printf(&text, "worker %u of %s (pid %ld, generation %u) ended: %s%s after %.3f s and %llu requests%s%s%s",
                  worker->index, generation->pool->name, (long)worker->pid, generation->number, obituary_cause(status),
                  worker->killed_for_memory ? ", by the kernel: out of memory," : "",
                  seconds(now_ns - worker->started_ns), (unsigned long long)accepted, serving,
                  worker->told_to_go ? "; told to go: " : "", worker->told_to_go ? worker->told_to_go : "");
    if (clean)
        log_info("%s", text.data);
    else
        log_warnx("%s", text.data);
    strbuf_free(&text);
}

void obituary_mold(const struct generation *generation, int status, int64_t now_ns)
{
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    void (*log)(const char *, ...) = clean ? log_info : log_warnx;
    const struct mold *mold = &generation->mold;
    log("mold of %s (pid %ld, generation %u) ended: %s after %.3f s%s%s", generation->pool->name, (long)mold->pid,
        generation->number, obituary_cause(status), seconds(now_ns - mold->started_ns),
        mold->told_to_go ? "; told to go: " : "", mold->told_to_go ? mold->told_to_go : "");
}
