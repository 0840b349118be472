/*
 * libFuzzer: any bytes, in any pieces, from a client of the control socket, who may stop listening, shut its side down
 * or leave at any time, while what it has asked for is settled now, later or never. The supervisor behind it is a dummy
 * that notes what it was told to do: nothing that was not in a whole line. No client stays behind.
 */
#include "control.c"

#include "inquiry.h"
#include "memory_report.h"
#include "require.h"
#include "status.h"

static struct supervisor supervisor;
static struct pool pool = { .name = (char[]){ "web" } };
static struct pool *pools[] = { &pool };
static struct control *control;
static struct ticket *waiting;
static bool settle_at_once;

static void take_ticket(struct ticket *ticket)
{
    if (settle_at_once) {
        ticket_settle(ticket, true, "done");
        return;
    }
    if (waiting)
        ticket_settle(waiting, false, "another one");
    waiting = ticket;
}

/* clang-format off */
struct pool *supervisor_pool(const struct supervisor *s, const char *name) { (void)s; return strcmp(name, pool.name) == 0 ? &pool : NULL; }
void supervisor_reload(struct supervisor *s, const char *name, struct ticket *ticket) { (void)s, (void)name; take_ticket(ticket); }
void supervisor_stop(struct supervisor *s, bool now, struct ticket *ticket) { (void)s, (void)now; take_ticket(ticket); }
void supervisor_reopen_logs(struct supervisor *s) { (void)s; }
void upgrade_start(struct supervisor *s, struct ticket *ticket) { (void)s; take_ticket(ticket); }
void status_json(struct supervisor *s, struct strbuf *out) { (void)s; strbuf_puts(out, "{}"); }
void status_table(struct supervisor *s, struct strbuf *out) { (void)s; strbuf_fill(out, 'x', 1 << 20); }
void memory_report_json(const struct supervisor *s, const struct pool *p, struct strbuf *out) { (void)s, (void)p; strbuf_puts(out, "{}"); }
void memory_report_table(const struct supervisor *s, const struct pool *p, struct strbuf *out) { (void)s, (void)p; strbuf_puts(out, "table"); }
void sampler_refresh(struct sampler *sampler) { (void)sampler; }
void inquiry_memory(struct pool *p, struct ticket *ticket) { (void)p; ticket_hold(ticket); take_ticket(ticket); }
void inquiry_heap(struct pool *p, long number, struct ticket *ticket) { (void)p, (void)number; take_ticket(ticket); }
void trace_start(struct pool *p, uint64_t requests, struct ticket *ticket) { (void)p; require(requests > 0); take_ticket(ticket); }
bool trace_finish(struct supervisor *s, const struct ticket *ticket, const char *reason) { (void)s, (void)ticket, (void)reason; return false; }
bool scaler_set(struct pool *p, uint64_t number, struct strbuf *outcome) { (void)p; strbuf_puts(outcome, "done"); return number < 9; }
struct listener *listener_acquire(struct listener_set *set, const struct config_listen *where, size_t nth, const struct config_socket *settings, struct strbuf *error)
{ (void)set, (void)where, (void)nth, (void)settings, (void)error; return NULL; }
void listener_release_pool(struct listener_set *set, struct listener *listener) { (void)set, (void)listener; }
void listener_save(const struct listener *listener, struct state_writer *writer) { (void)listener, (void)writer; }
struct listener *listener_adopt(struct state_reader *reader) { (void)reader; return NULL; }
enum listener_file listener_look(struct listener *listener, int watch) { (void)listener, (void)watch; return LISTENER_FILE_GOOD; }
/* clang-format on */

static void turn_over(void *data)
{
    loop_stop(data);
}

/* One turn of the loop. */
static void turn(void)
{
    struct loop_timer end = { .expired = turn_over, .data = supervisor.loop };

    loop_timer_set(supervisor.loop, &end, 1);
    loop_run(supervisor.loop);
    loop_timer_clear(supervisor.loop, &end);
}

static void settle(bool succeeded)
{
    struct ticket *ticket = waiting;

    waiting = NULL;
    if (ticket)
        ticket_settle(ticket, succeeded, succeeded ? "it is done" : "it is not done");
}

/* What has come is an answer: "ok" or "error", and a text. */
static size_t read_answer(int fd, size_t seen)
{
    static char bytes[2 << 20];
    ssize_t got = recv(fd, bytes, sizeof bytes, 0);

    if (got > 0 && seen == 0)
        require((got >= 3 && memcmp(bytes, "ok\n", 3) == 0) || (got >= 6 && memcmp(bytes, "error\n", 6) == 0));
    return seen + (got > 0 ? (size_t)got : 0);
}

static void start(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    supervisor = (struct supervisor){ .loop = loop_new(), .pools = pools, .pool_count = 1 };
    require(supervisor.loop != NULL);
    control = control_new(&supervisor);
}

/* 255 and a byte: something happens; all else is sent, up to the next 255. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int ends[2];
    size_t seen = 0, at = 0;

    if (!control)
        start();
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    settle_at_once = size > 0 && (data[0] & 1);
    require(client_new(control, ends[0]) != NULL);
    while (at < size) {
        if (data[at] == 255 && at + 1 < size) {
            switch (data[at + 1] % 6) {
            case 0: settle(true); break;
            case 1: settle(false); break;
            case 2: shutdown(ends[1], SHUT_WR); break;
            case 3: seen = read_answer(ends[1], seen); break;
            case 4: /* its time is over */
                if (control->clients && loop_timer_is_set(&control->clients->deadline)) {
                    loop_timer_clear(supervisor.loop, &control->clients->deadline);
                    deadline_expired(control->clients);
                }
                break;
            case 5: control_ask_again(control); break;
            }
            at += 2;
        } else {
            const uint8_t *next = memchr(data + at + 1, 255, size - at - 1);
            size_t length = next ? (size_t)(next - data) - at : size - at;
            (void)!send(ends[1], data + at, length, MSG_NOSIGNAL);
            at += length;
        }
        turn();
    }
    read_answer(ends[1], seen);
    close(ends[1]);
    for (int i = 0; i < 4 && control->clients; i++)
        turn();
    if (control->clients)
        client_free(control->clients);
    settle(true);
    require(control->clients == NULL && control->client_count == 0);
    return 0;
}
