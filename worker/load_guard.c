#include "load_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mruby/class.h>

#include "channel.h"
#include "descriptors.h"
#include "interrupt.h"
#include "log.h"
#include "out_of_memory.h"

/* A copy of the channel, out of the way of apps that count from 3 upwards. */
#define SPARE_CHANNEL 400

static struct {
    pid_t pid; /* of the mold; 0: nothing is guarded */
    int channel;
    struct descriptors descriptors;
    const struct app_set *set;
    const struct app *volatile app; /* the one that is being loaded */
} guard;

static bool tell(const struct message *message)
{
    bool told = channel_send(guard.channel, message, NULL, 0) == 0;

    if (!told)
        log_warn("%s can't be sent to the supervisor", message_name(message->type));
    return told;
}

static bool tell_failure(const char *text)
{
    struct message message = { .type = MESSAGE_FAILED };

    snprintf(message.text, sizeof message.text, "%s", text);
    return tell(&message);
}

/* A child that an app has forked must not speak for the mold. */
static void end_forked_child(void)
{
    if (guard.pid == getpid())
        return;
    log_warnx("process %ld, which an app has forked while it loaded, has come to the end of its file and is ended",
              (long)getpid());
    fflush(stdout);
    _exit(1);
}

/* Out of time */

static void interrupt(mrb_state *mrb, const mrb_irep *irep, const mrb_code *pc, mrb_value *registers)
{
    (void)irep;
    (void)registers;
    if (mrb->exc != NULL)
        return;
    mrb->code_fetch_hook = NULL;
    struct RClass *timeout =
        mrb_define_class_under(mrb, mrb_define_module(mrb, "Cowherd"), "LoadTimeout", mrb->eException_class);
    interrupt_raise(mrb, pc, interrupt_exception(mrb, timeout, "the app was still loading"));
}

static void on_alarm(int signal_number)
{
    (void)signal_number;
    const struct app *app = guard.app;
    struct vm *vm = app != NULL && guard.pid == getpid() ? app_set_loading_vm(guard.set, app) : NULL;
    if (vm != NULL)
        vm->mrb->code_fetch_hook = interrupt;
}

static void take_alarms(void (*handler)(int))
{
    /* No SA_RESTART: a call that blocks has to come back. */
    struct sigaction action = { .sa_handler = handler };

    sigaction(SIGALRM, &action, NULL);
}

/* The end of the process */

static void ended(int status, void *data)
{
    (void)data;
    const struct app *app = guard.app;
    if (app == NULL || guard.pid != getpid())
        return;
    guard.app = NULL;

    struct strbuf text = { 0 };
    struct vm *vm = app_set_loading_vm(guard.set, app);
    strbuf_printf(&text,
                  "%s: the process was ended while the app loaded: exit! was called (status %d), or the log says more",
                  app->config->name, status);
    if (vm != NULL)
        vm_describe_place(vm, &text);
    tell_failure(text.data);
    strbuf_free(&text);
}

/* Apps in turn */

static void app_starts(const struct app_set *set, const struct app *app)
{
    struct message message = { .type = MESSAGE_LOADING, .loading = { .app = app->index } };

    guard.set = set;
    guard.app = app;
    descriptors_claim(&guard.descriptors, NULL);
    tell(&message);
}

static void warn_children(const char *app)
{
    char path[64], name[64];
    long pid;

    snprintf(path, sizeof path, "/proc/self/task/%ld/children", (long)getpid());
    FILE *children = fopen(path, "re");
    while (children != NULL && fscanf(children, "%ld", &pid) == 1) {
        siginfo_t info = { 0 };
        if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == -1 || info.si_pid != 0)
            continue;
        snprintf(path, sizeof path, "/proc/%ld/comm", pid);
        FILE *file = fopen(path, "re");
        if (file == NULL || fscanf(file, "%63[^\n]", name) != 1)
            snprintf(name, sizeof name, "?");
        if (file != NULL)
            fclose(file);
        log_warnx("app %s has started process %ld (%s) while loading, and has not waited for it", app, pid, name);
    }
    if (children != NULL)
        fclose(children);
}

static bool app_loaded(const struct app *app, struct strbuf *error)
{
    guard.app = NULL;
    end_forked_child();
    descriptors_claim(&guard.descriptors, app->config->name);
    warn_children(app->config->name);
    return descriptors_intact(&guard.descriptors, error);
}

static void failed(const char *error)
{
    guard.app = NULL;
    end_forked_child();
    bool told = tell_failure(error);
    fflush(stdout);
    _exit(told ? 1 : CHANNEL_EXIT_UNHEARD);
}

const struct app_watch load_guard_watch = { .starts = app_starts, .loaded = app_loaded, .failed = failed };

void load_guard_begin(int channel)
{
    guard.channel = fcntl(channel, F_DUPFD_CLOEXEC, SPARE_CHANNEL);
    if (guard.channel == -1)
        guard.channel = fcntl(channel, F_DUPFD_CLOEXEC, 0);
    if (guard.channel == -1)
        fatal("the channel can't be duplicated");
    guard.pid = getpid();
    descriptors_claim(&guard.descriptors, NULL);
    take_alarms(on_alarm);
    out_of_memory_prepare();
    on_exit(ended, NULL);
}

void load_guard_end(void)
{
    guard.app = NULL;
    end_forked_child();
    take_alarms(SIG_IGN);
    close(guard.channel);
}

void load_guard_warn(void)
{
    descriptors_warn_held(&guard.descriptors);
    descriptors_free(&guard.descriptors);
}
