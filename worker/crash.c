#include "crash.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <mruby.h>
#include <mruby/debug.h>
#include <mruby/irep.h>
#include <mruby/proc.h>

#include "channel.h"
#include "clock.h"
#include "emergency_answer.h"
#include "log.h"
#include "lookout.h"
#include "stray_child.h"
#include "time_out.h"
#include "unbegun.h"

#define STACK_SIZE 65536
#define FRAMES_MAX 50
#define LINE_SIZE 400
#define DESCRIPTORS_MAX 65536
#define PATIENCE_NS CLOCK_NS_PER_S /* with a supervisor that does not read what is handed over */

static struct slot *slot;
static pid_t process;
static int channel;
static const int *listeners;
static size_t listener_count;
static volatile sig_atomic_t next_fd; /* to be looked at: a crash within a crash goes on there */
static char stack[STACK_SIZE];

/* There is a request in hand, and it is not in the books yet: a log hook may run behind one that is. */
static bool is_open(void)
{
    return atomic_load_explicit(&slot->request_started_ns, memory_order_relaxed) != 0 &&
           atomic_load(&slot->accepted) >
               atomic_load(&slot->completed) + atomic_load(&slot->error_answered) + atomic_load(&slot->client_gone);
}

static void answer_request(void)
{
    uint8_t records[EMERGENCY_ANSWER_SIZE];
    int fd = atomic_load_explicit(&slot->request_fd, memory_order_relaxed);

    if (fd < 0 || !is_open() || atomic_load_explicit(&slot->request_bytes_out, memory_order_relaxed) > 0)
        return;
    size_t length = emergency_answer(records, (uint16_t)atomic_load(&slot->request_id), 500, 0);
    atomic_fetch_add(&slot->request_bytes_out, length); /* the supervisor has no answer for it any more */
    if (emergency_answer_send(fd, records, length) == 0)
        atomic_fetch_add(&slot->error_answered, 1);
}

/*
 * Connections that were given to this process, and that it has not come to, become descriptors as its others are. Who
 * would give it one more from here on, not knowing yet, is told by an error: it has to be somebody else's.
 */
static void take_what_waits(void)
{
    struct message message;
    int descriptors[CHANNEL_DESCRIPTORS_MAX];
    int got;

    shutdown(channel, SHUT_RD);
    do
        got = channel_receive(channel, &message, descriptors);
    while (got == 1 || (got == -1 && (errno == EBADMSG || errno == EMFILE)));
}

/*
 * The channel holds some hundreds, and all that a user has on the way to other processes is no more than one of them
 * may have open: nobody tells when that is fewer again.
 */
static bool await_room(int error, int64_t until_ns)
{
    const struct timespec pause = { .tv_nsec = CLOCK_NS_PER_MS };
    struct pollfd wait = { .fd = channel, .events = POLLOUT };
    int64_t now_ns;
    int ready = -1;

    if (error == ETOOMANYREFS)
        nanosleep(&pause, NULL);
    else if (error != EAGAIN)
        return false;
    while (ready == -1 && (now_ns = clock_monotonic_ns()) < until_ns) {
        ready = poll(&wait, 1, clock_poll_timeout_ms(until_ns, now_ns));
        if (ready == -1 && errno != EINTR)
            break;
    }
    return ready == 1;
}

/* Nothing of this process's memory is needed for it but what is above. */
static void hand_over_connections(void)
{
    const struct message message = { .type = MESSAGE_CONNECTION };
    const int64_t until_ns = clock_monotonic_ns() + PATIENCE_NS;
    struct rlimit limit;

    atomic_store(&slot->handing, 1); /* the supervisor has what it is sent, and need not look for more here */
    take_what_waits();
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_cur > DESCRIPTORS_MAX)
        limit.rlim_cur = DESCRIPTORS_MAX;
    while (next_fd < (int)limit.rlim_cur) {
        int fd = next_fd++;
        if (fd != unbegun_in_hand() && unbegun_connection(fd, listeners, listener_count))
            while (channel_send(channel, &message, &fd, 1) == -1 && await_room(errno, until_ns))
                continue;
    }
}

/* Short lines: longer ones would be allocated. */
static void log_text(const char *text)
{
    log_app(LOG_LEVEL_ERROR, "", text, strlen(text));
}

/* The line of the frame, or of the Ruby code that called the C function that it is. */
static void log_frame(mrb_state *mrb, const mrb_callinfo *frame)
{
    const struct RProc *proc = frame->proc;
    const char *file = NULL;
    int32_t line = 0;
    mrb_int length = 0;
    char text[LINE_SIZE];

    if (proc == NULL || MRB_PROC_CFUNC_P(proc) || proc->body.irep == NULL || frame->pc == NULL ||
        !mrb_debug_get_position(mrb, proc->body.irep, (uint32_t)(frame->pc - proc->body.irep->iseq - 1), &line, &file))
        return;
    snprintf(text, sizeof text, "  %.*s:%d", LINE_SIZE / 2, file, (int)line);
    const char *method = frame->mid != 0 ? mrb_sym_name_len(mrb, frame->mid, &length) : NULL;
    if (method != NULL)
        snprintf(text + strlen(text), sizeof text - strlen(text), ":in %.*s", (int)length, method);
    log_text(text);
}

static void log_frames(mrb_state *mrb)
{
    int left = FRAMES_MAX;

    if (mrb == NULL || mrb->c == NULL || mrb->c->ci == NULL)
        return;
    for (const mrb_callinfo *frame = mrb->c->ci; frame >= mrb->c->cibase && left > 0; frame--, left--)
        log_frame(mrb, frame);
    if (left == 0)
        log_text("  ... more");
}

/* The client first: what follows may meet what is broken, and the default action ends the process then. */
static void on_crash(int number)
{
    char text[LINE_SIZE];

    if (!stray_child) {
        lookout_hold();
        answer_request();
        hand_over_connections();
    }
    snprintf(text, sizeof text, "crashed by SIG%s%s%.200s", sigabbrev_np(number),
             slot->request[0] != '\0' ? " in " : "", slot->request);
    log_text(text);
    log_frames(time_out_interpreter());
    raise(number);
}

/* Whoever leaves in order calls _exit: this one is in the middle of something. */
static void on_exit_called(int status, void *data)
{
    char text[LINE_SIZE];
    bool in_request = atomic_load_explicit(&slot->request_started_ns, memory_order_relaxed) != 0;

    (void)data;
    if (stray_child || getpid() != process)
        return;
    lookout_hold();
    if (is_open() && atomic_load_explicit(&slot->request_bytes_out, memory_order_relaxed) > 0)
        atomic_fetch_add(&slot->error_answered, 1); /* the answer is cut short, as by any exception */
    else
        answer_request();
    hand_over_connections();
    snprintf(text, sizeof text, "the worker was ended%s%.200s: exit! was called (status %d), or the log says more",
             in_request ? " in " : "", in_request ? slot->request : "", status);
    log_text(text);
    log_frames(time_out_interpreter());
}

void crash_open(struct slot *own_slot, int own_channel, const int *own_listeners, size_t count)
{
    /* AddressSanitizer has handlers of its own, which say more. */
#ifdef __SANITIZE_ADDRESS__
    static const int crashes[] = { SIGABRT };
#else
    static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
#endif
    const stack_t alternate = { .ss_sp = stack, .ss_size = sizeof stack };
    struct sigaction action = { .sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND | SA_ONSTACK };

    slot = own_slot;
    channel = own_channel;
    listeners = own_listeners;
    listener_count = count;
    process = getpid();
    on_exit(on_exit_called, NULL);
    sigaltstack(&alternate, NULL);
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        sigaction(crashes[i], &action, NULL);
}
