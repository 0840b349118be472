#include "time_out.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

#include <mruby/class.h>

#include "clock.h"
#include "interrupt.h"

#define PERSISTENT 3 /* signals, from which on the exception is raised at every instruction */

/* Between two signals of our own timer, and how many it sends before it ends the process. */
#define OWN_PERIOD_US 250000
#define OWN_SIGNALS_MAX 12

/* The handler's; a worker has one thread and serves one request at a time. */
static const struct slot *slot;
static int64_t limit_ns;
static mrb_state *volatile running; /* NULL: no code of a request */
static volatile sig_atomic_t masked;
static volatile sig_atomic_t fired; /* signals for the request in hand */
static volatile sig_atomic_t timed; /* signals of our own timer that may still come; 0: the supervisor's count */
static int64_t own_limit;
static const char *own_setting;

static mrb_value time_out_new(mrb_state *mrb)
{
    struct RClass *class = mrb_class_get_under(mrb, mrb_module_get(mrb, "Cowherd"), "RequestTimeout");
    char message[100];

    snprintf(message, sizeof message, "the %s has run for longer than %s (%.1f s)", timed > 0 ? "hook" : "request",
             timed > 0 ? own_setting : "timeouts.request",
             (double)(timed > 0 ? own_limit : limit_ns) / (double)CLOCK_NS_PER_S);
    return interrupt_exception(mrb, class, message);
}

/* An exception is on its way already, such as Errno::EINTR of the call that the signal interrupted: takes its place. */
static void replace_exception(mrb_state *mrb)
{
    if (mrb->exc->tt != MRB_TT_EXCEPTION)
        return; /* a break: raised at the instruction where it ends */
    mrb->code_fetch_hook = NULL;
    interrupt_replace(mrb, time_out_new(mrb));
}

/* Before each instruction. */
static void raise_here(mrb_state *mrb, const mrb_irep *irep, const mrb_code *pc, mrb_value *registers)
{
    (void)irep;
    (void)registers;
    if (mrb->exc != NULL && fired < PERSISTENT) {
        replace_exception(mrb);
        return;
    }
    if (fired < PERSISTENT)
        mrb->code_fetch_hook = NULL;
    interrupt_raise(mrb, pc, time_out_new(mrb));
}

/* The number tells a request from the next one: the signal may come late. */
static bool is_overdue(void)
{
    return atomic_load_explicit(&slot->overdue_sequence, memory_order_acquire) ==
           atomic_load_explicit(&slot->request_sequence, memory_order_relaxed);
}

static void on_signal(int signal_number)
{
    (void)signal_number;
    if (running == NULL || (timed == 0 && !is_overdue()))
        return;
    if (timed > 0 && --timed == 0)
        _exit(1);
    if (fired < PERSISTENT)
        fired++;
    if (!masked)
        running->code_fetch_hook = raise_here;
}

void time_out_open(const struct slot *own_slot, int64_t request_ns)
{
    struct sigaction action = { .sa_handler = on_signal };
    sigset_t signals;

    slot = own_slot;
    limit_ns = request_ns;
    running = NULL;
    sigaction(TIME_OUT_SIGNAL, &action, NULL);
    sigemptyset(&signals);
    sigaddset(&signals, TIME_OUT_SIGNAL);
    sigprocmask(SIG_UNBLOCK, &signals, NULL);
}

void time_out_begin(mrb_state *mrb)
{
    fired = 0;
    running = mrb;
}

static void set_timer(int64_t first_us)
{
    struct itimerval timer = {
        .it_interval = { .tv_usec = first_us > 0 ? OWN_PERIOD_US : 0 },
        .it_value = { .tv_sec = first_us / 1000000, .tv_usec = first_us % 1000000 },
    };

    setitimer(ITIMER_REAL, &timer, NULL);
}

void time_out_begin_timed(mrb_state *mrb, int64_t own_limit_ns, const char *setting)
{
    int64_t first_us = own_limit_ns / 1000;

    time_out_begin(mrb);
    own_limit = own_limit_ns > 0 ? own_limit_ns : 0;
    own_setting = setting;
    timed = OWN_SIGNALS_MAX;
    set_timer(first_us > 0 ? first_us : 1);
}

void time_out_end(void)
{
    mrb_state *mrb = running;

    running = NULL;
    if (timed > 0)
        set_timer(0);
    timed = 0;
    if (mrb != NULL)
        mrb->code_fetch_hook = NULL;
}

void time_out_mask(void)
{
    masked++;
    if (running != NULL)
        running->code_fetch_hook = NULL;
}

void time_out_unmask(void)
{
    masked--;
}

mrb_state *time_out_interpreter(void)
{
    return running;
}

bool time_out_is_due(void)
{
    return running != NULL && !masked && fired > 0;
}
