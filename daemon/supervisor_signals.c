#include "supervisor.h"

#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "orphans.h"
#include "scaler.h"

bool supervisor_knows_process(const struct supervisor *supervisor, pid_t pid)
{
    if (supervisor->status_server.pid == pid)
        return true;
    for (size_t i = 0; i < supervisor->pool_count; i++) {
        if (supervisor->pools[i]->fallback.pid == pid)
            return true;
        for (const struct generation *g = supervisor->pools[i]->generations; g; g = g->next) {
            if (g->mold.pid == pid)
                return true;
            for (uint32_t w = 0; w < g->worker_slots; w++)
                if (g->workers[w].in_use && g->workers[w].pid == pid)
                    return true;
        }
    }
    return false;
}

static bool pools_reaped(struct supervisor *supervisor, pid_t pid, int status)
{
    for (size_t i = 0; i < supervisor->pool_count; i++)
        for (struct generation *g = supervisor->pools[i]->generations; g; g = g->next)
            if (generation_reaped(g, pid, status))
                return true;
    for (size_t i = 0; i < supervisor->pool_count; i++)
        if (fallback_reaped(&supervisor->pools[i]->fallback, pid, status))
            return true;
    return false;
}

/* A worker can end before its mold's answer was read. */
static void read_molds(struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->pool_count; i++)
        for (struct generation *g = supervisor->pools[i]->generations; g; g = g->next)
            generation_read_mold(g);
}

/* Who is unknown is looked for in the answers while it is still there: a mold that names what isn't is not believed. */
void supervisor_reap(struct supervisor *supervisor)
{
    siginfo_t info = { 0 };
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid > 0) {
        int status;
        pid_t pid = info.si_pid;
        if (!supervisor_knows_process(supervisor, pid))
            read_molds(supervisor);
        if (waitpid(pid, &status, WNOHANG) != pid)
            return;
        if (upgrade_reaped(supervisor, pid, status) || status_server_reaped(&supervisor->status_server, pid, status) ||
            pools_reaped(supervisor, pid, status))
            continue;
        orphans_add(pid, status, clock_monotonic_ns());
        log_debug("process %ld, which nobody had announced, ended", (long)pid);
    }
}

static void handle_signal(struct supervisor *supervisor, uint32_t signal)
{
    switch (signal) {
    case SIGCHLD: supervisor_reap(supervisor); break;
    case SIGHUP:
        log_info("SIGHUP: reload");
        supervisor_reload(supervisor, NULL, NULL);
        break;
    case SIGTERM:
    case SIGQUIT:
        log_info("SIG%s: stop", sigabbrev_np((int)signal));
        supervisor_stop(supervisor, false, NULL);
        break;
    case SIGINT:
        log_info("SIGINT: stop now");
        supervisor_stop(supervisor, true, NULL);
        break;
    case SIGUSR1: supervisor_reopen_logs(supervisor); break;
    case SIGTTIN:
    case SIGTTOU:
        log_info("SIG%s: one worker %s in each pool", sigabbrev_np((int)signal), signal == SIGTTIN ? "more" : "fewer");
        for (size_t i = 0; i < supervisor->pool_count; i++)
            scaler_nudge(supervisor->pools[i], signal == SIGTTIN);
        break;
    case SIGUSR2:
        log_info("SIGUSR2: upgrade");
        upgrade_start(supervisor, NULL);
        break;
    default: log_warnx("SIG%s has no meaning in this version and is ignored", sigabbrev_np((int)signal)); break;
    }
}

static void signals_ready(void *data, uint32_t events)
{
    (void)events;
    struct supervisor *supervisor = data;
    struct signalfd_siginfo info;
    while (read(supervisor->signals.fd, &info, sizeof info) == (ssize_t)sizeof info)
        handle_signal(supervisor, info.ssi_signo);
}

void supervisor_open_signals(struct supervisor *supervisor)
{
    static const int handled[] = { SIGCHLD, SIGHUP, SIGTERM, SIGQUIT, SIGINT, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU };
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++)
        sigaddset(&set, handled[i]);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a log file that may not grow */
    /* An ignored SIGCHLD, inherited from who started us, would reap behind our back. */
    signal(SIGCHLD, SIG_DFL);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        fatal("sigprocmask");
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        fatal("signalfd");
    supervisor->signals = (struct loop_source){ .fd = fd, .ready = signals_ready, .data = supervisor };
    if (loop_add(supervisor->loop, &supervisor->signals, EPOLLIN) < 0)
        fatal("epoll");
}
