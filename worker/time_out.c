#include "time_out.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

#include <mruby/class.h>

#include "clock.h"
#include "interrupt.h"

#define PERSISTENT 3 /* signals, from which on the exception is raised at every instruction */

/* The handler's; a worker has one thread and serves one request at a time. */
static const struct slot *slot;
static int64_t limit_ns;
static mrb_state *volatile running; /* NULL: no code of a request */
static volatile sig_atomic_t masked;
static volatile sig_atomic_t fired; /* signals for the request in hand */

static mrb_value time_out_new(mrb_state *mrb)
{
    struct RClass *class = mrb_class_get_under(mrb, mrb_module_get(mrb, "Cowherd"), "RequestTimeout");
    char message[100];

    snprintf(message, sizeof message, "the request has run for longer than timeouts.request (%.1f s)",
             (double)limit_ns / (double)CLOCK_NS_PER_S);
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
    if (running == NULL || !is_overdue())
        return;
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

void time_out_end(void)
{
    mrb_state *mrb = running;

    running = NULL;
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
