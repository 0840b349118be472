#include "fcgi.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fcgiapp.h>
#include <fcgios.h>

#include "clock.h"
#include "log.h"
#include "params.h"
#include "record_walker.h"
#include "stray_child.h"
#include "xalloc.h"

#define OUTPUT_SIZE 32768 /* libfcgi hands over at most 8 KiB at a time: several leave with one send */
#define DRAIN_BYTES (1024 * 1024)
#define DRAIN_WAIT_NS (100 * CLOCK_NS_PER_MS)

struct request_transport {
    const struct fcgi_call *call;
    struct request request;
    struct record_walker walker;
    FCGX_Request library;
    size_t output_length;
    bool write_failed;
    bool body_too_long;
};

/* libfcgi's callbacks carry no context; a worker serves one request at a time. */
static struct request_transport *current;
static uint8_t output[OUTPUT_SIZE];

/* Output */

static bool wait_writable(const struct request_transport *transport)
{
    int64_t wait_ns = transport->call->write_wait_ns;
    int64_t deadline_ns = wait_ns > 0 ? clock_monotonic_ns() + wait_ns : 0;
    struct pollfd poll_fd = { .fd = transport->call->fd, .events = POLLOUT };
    int ready;

    do
        ready = poll(&poll_fd, 1, clock_poll_timeout_ms(deadline_ns, clock_monotonic_ns()));
    while (ready == -1 && errno == EINTR && !(transport->call->give_up != NULL && transport->call->give_up()));
    return ready == 1;
}

/* Sends what OS_Write has collected. After a failure the rest of the answer is thrown away. */
static int send_output(struct request_transport *transport)
{
    size_t sent = 0;

    /* Before they leave: who sees none has the answer to itself. */
    if (transport->call->bytes_out != NULL)
        atomic_fetch_add_explicit(transport->call->bytes_out, transport->output_length, memory_order_relaxed);
    while (sent < transport->output_length && !transport->write_failed) {
        ssize_t count = send(transport->call->fd, output + sent, transport->output_length - sent, MSG_NOSIGNAL);
        if (count >= 0) {
            sent += (size_t)count;
        } else if (errno != EINTR && (errno != EAGAIN || !wait_writable(transport))) {
            transport->write_failed = true;
            transport->request.client_gone = true;
        }
    }
    transport->output_length = 0;
    return transport->write_failed ? -1 : 0;
}

/* libfcgi's writes are whole records, so what the walker has to say can go between any two of them. */
static int append_output(struct request_transport *transport, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;

    while (length > 0 && !transport->write_failed) {
        size_t room = sizeof output - transport->output_length;
        size_t piece = length < room ? length : room;
        memcpy(output + transport->output_length, at, piece);
        transport->output_length += piece;
        at += piece;
        length -= piece;
        if (transport->output_length == sizeof output)
            send_output(transport);
    }
    return transport->write_failed ? -1 : 0;
}

/* What libfcgi calls in place of its own */

int OS_Read(int fd, char *buf, size_t len)
{
    if (stray_child)
        stray_child_end();
    if (current == NULL || fd != current->call->fd) {
        errno = EBADF;
        return -1;
    }
    return (int)walker_read(&current->walker, (uint8_t *)buf, len);
}

int OS_Write(int fd, char *buf, size_t len)
{
    if (stray_child)
        stray_child_end();
    if (current == NULL || fd != current->call->fd) {
        errno = EBADF;
        return -1;
    }
    if (append_output(current, buf, len) == -1) {
        errno = EPIPE;
        return -1;
    }
    return (int)len;
}

int OS_Accept(int listen_sock, int fail_on_intr, const char *webServerAddrs)
{
    (void)listen_sock, (void)fail_on_intr, (void)webServerAddrs;
    errno = EBADF;
    return -1;
}

int OS_IpcClose(int ipcFd, int shutdown_first)
{
    (void)ipcFd, (void)shutdown_first;
    return 0;
}

/* The request as the answering code sees it */

const char *request_param(const struct request *request, const char *name)
{
    const char *value = NULL;

    for (char **param = request->params; *param != NULL; param++) {
        const char *at = *param;
        const char *wanted = name;
        while (*wanted != '\0' && *at == *wanted)
            at++, wanted++;
        if (*wanted == '\0' && *at == '=')
            value = at + 1;
    }
    return value;
}

bool request_body_complete(const struct request *request)
{
    return request->transport->call->gate->body_complete;
}

static int library_length(size_t length)
{
    return length < 1 << 30 ? (int)length : 1 << 30;
}

ssize_t request_read(struct request *request, void *buffer, size_t length)
{
    struct request_transport *transport = request->transport;
    char beyond;
    bool at_limit = request->body_limit > 0 && request->body_read >= request->body_limit;

    if (length == 0 || request->role == REQUEST_AUTHORIZER)
        return 0;
    if (transport->body_too_long) {
        errno = EFBIG;
        return -1;
    }
    if (at_limit) {
        buffer = &beyond;
        length = 1;
    } else if (request->body_limit > 0 && (int64_t)length > request->body_limit - request->body_read) {
        length = (size_t)(request->body_limit - request->body_read);
    }

    int count = FCGX_GetStr(buffer, library_length(length), transport->library.in);
    if (count > 0 && at_limit) {
        transport->body_too_long = true;
        errno = EFBIG;
        return -1;
    }
    if (count == 0 && transport->walker.error != 0) {
        if (transport->walker.error == ECONNRESET)
            request->client_gone = true;
        errno = transport->walker.error;
        return -1;
    }
    request->body_read += count;
    return count;
}

int request_write(struct request *request, const void *bytes, size_t length)
{
    FCGX_Stream *out = request->transport->library.out;
    const char *at = bytes;

    while (length > 0 && !request->client_gone) {
        int piece = library_length(length);
        if (FCGX_PutStr(at, piece, out) < 0)
            request->client_gone = true;
        at += piece;
        length -= (size_t)piece;
    }
    if (request->client_gone) {
        errno = EPIPE;
        return -1;
    }
    return 0;
}

int request_flush(struct request *request)
{
    if (!request->client_gone)
        FCGX_FFlush(request->transport->library.out);
    if (!request->client_gone)
        send_output(request->transport);
    if (request->client_gone) {
        errno = EPIPE;
        return -1;
    }
    return 0;
}

void request_write_stderr(struct request *request, const void *bytes, size_t length)
{
    const char *at = bytes;

    while (length > 0 && !request->client_gone) {
        int piece = library_length(length);
        if (FCGX_PutStr(at, piece, request->transport->library.err) < 0)
            break;
        at += piece;
        length -= (size_t)piece;
    }
}

/* Serving */

/* A second BEGIN_REQUEST inside a request's body (specification, 5.5). */
static void refuse_multiplexing(uint16_t request_id, void *data)
{
    struct request_transport *transport = data;
    struct strbuf record = { 0 };

    fcgi_record_append_end(&record, request_id, 0, FCGI_STATUS_CANT_MULTIPLEX);
    append_output(transport, record.data, record.length);
    send_output(transport);
    strbuf_free(&record);
}

/* Reads the rest of STDIN, for as long as that is cheaper than losing the connection. */
static void drain_input(struct request_transport *transport, bool keep)
{
    struct record_walker *walker = &transport->walker;
    uint8_t discarded[4096];
    size_t left = DRAIN_BYTES;

    walker->deadline_ns = keep ? clock_monotonic_ns() + DRAIN_WAIT_NS : WALKER_DO_NOT_WAIT;
    walker->error = walker->error == ECONNRESET && walker->aborted ? 0 : walker->error;
    while (left > 0 && !walker_at_end(walker)) {
        ssize_t count = walker_read(walker, discarded, left < sizeof discarded ? left : sizeof discarded);
        if (count < 0)
            return;
        left -= (size_t)count;
    }
}

/* An answer that broke off must not look like a whole one: what there is of it is sent, without its END_REQUEST. */
static void end_answer(struct request_transport *transport)
{
    if (transport->request.cut_short) {
        FCGX_FFlush(transport->library.err);
        FCGX_FFlush(transport->library.out);
    } else {
        FCGX_FClose(transport->library.err);
        FCGX_FClose(transport->library.out);
    }
    send_output(transport);
}

/* The walker's buffer is used again by the next request. */
static void keep_received(const struct record_walker *walker, struct fcgi_remainder *remainder)
{
    remainder->used = 0;
    remainder->rest_length = (size_t)(walker->end - walker->next);
    remainder->rest = xmalloc(remainder->rest_length + 1);
    memcpy(remainder->rest, walker->next, remainder->rest_length);
}

static enum fcgi_after end_connection(struct request_transport *transport, struct fcgi_remainder *remainder)
{
    const struct fcgi_call *call = transport->call;
    struct record_walker *walker = &transport->walker;
    bool keep = call->allow_keep && call->gate->keep_connection && !transport->write_failed;

    if (transport->request.cut_short)
        return FCGI_CLOSE;

    if (!walker_at_end(walker) && !transport->write_failed)
        drain_input(transport, keep);
    if (!walker_at_end(walker)) {
        bool sending = walker->error == 0 || walker->error == ETIMEDOUT;
        return sending && !transport->write_failed ? FCGI_LINGER : FCGI_CLOSE;
    }
    if (!keep || walker->refused_id != 0)
        return FCGI_CLOSE;
    if (walker->received)
        keep_received(walker, remainder);
    else
        remainder->used = (size_t)(walker->next - call->bytes);
    return FCGI_KEEP;
}

enum fcgi_after fcgi_serve(const struct fcgi_call *call, struct fcgi_remainder *remainder)
{
    struct request_transport transport = { .call = call };
    struct request *request = &transport.request;

    *remainder = (struct fcgi_remainder){ 0 };
    walker_start(&transport.walker, call->fd, call->bytes, call->length);
    transport.walker.request_id = call->gate->request_id;
    transport.walker.has_body = call->gate->role != FCGI_ROLE_AUTHORIZER;
    transport.walker.deadline_ns = call->body_deadline_ns;
    transport.walker.refuse = refuse_multiplexing;
    transport.walker.refuse_data = &transport;

    /*
     * The connection is put into fields that the library calls its own: with ipcFd set and keepConnection true,
     * FCGX_Accept_r reads the head there in place of accepting. It can't wait: the whole head is in the walker.
     */
    FCGX_InitRequest(&transport.library, -1, FCGI_FAIL_ACCEPT_ON_INTR);
    transport.library.ipcFd = call->fd;
    transport.library.keepConnection = 1;
    current = &transport;
    if (FCGX_Accept_r(&transport.library) < 0) {
        current = NULL;
        log_warnx("libfcgi refused a request that the gate let through");
        return FCGI_CLOSE;
    }

    *request = (struct request){
        .transport = &transport,
        .role = (enum request_role)call->gate->role,
        .params = params_decode(call->bytes, call->gate->head_length, transport.library.envp),
        .received_ns = call->received_ns,
    };
    call->answer(request, call->data);
    end_answer(&transport);
    call->finished(request, call->data);

    enum fcgi_after after = end_connection(&transport, remainder);
    FCGX_Free(&transport.library, 0);
    current = NULL;
    return after;
}

/* Start */

void fcgi_init(void)
{
    static const int signals[] = { SIGPIPE, SIGUSR1, SIGTERM }; /* those that FCGX_Init takes */
    struct sigaction before[3];

    for (int i = 0; i < 3; i++)
        sigaction(signals[i], NULL, &before[i]);
    if (FCGX_Init() != 0)
        fatalx("libfcgi can't be initialised");
    for (int i = 0; i < 3; i++)
        sigaction(signals[i], &before[i], NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void answer_self_check(struct request *request, void *data)
{
    const char *name = request_param(request, "A");
    char body[8];

    if (name != NULL && strcmp(name, "b") == 0 && request_read(request, body, sizeof body) == 0)
        *(bool *)data = request_write(request, "\r\n", 2) == 0;
}

static void finish_self_check(struct request *request, void *data)
{
    (void)request, (void)data;
}

/* The request is nowhere but in memory: a libfcgi that reads the socket itself doesn't find it. */
bool fcgi_self_check(void)
{
    struct strbuf bytes = { 0 };
    struct gate_result gate;
    struct gate_limits limits = { .head = 1024 };
    struct fcgi_remainder remainder;
    _Atomic uint64_t bytes_out = 0;
    bool answered = false, passed = false;
    char received[64];
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == -1)
        return false;
    fcgi_record_append_begin(&bytes, 1, FCGI_ROLE_RESPONDER, 0);
    fcgi_record_append(&bytes, FCGI_RECORD_PARAMS, 1, "\1\1Ab", 4);
    fcgi_record_append(&bytes, FCGI_RECORD_PARAMS, 1, "", 0);
    fcgi_record_append(&bytes, FCGI_RECORD_STDIN, 1, "", 0);

    if (gate_inspect((const uint8_t *)bytes.data, bytes.length, &limits, &gate) == GATE_READY) {
        struct fcgi_call call = {
            .fd = ends[0],
            .bytes = (const uint8_t *)bytes.data,
            .length = bytes.length,
            .gate = &gate,
            .body_deadline_ns = WALKER_DO_NOT_WAIT,
            .bytes_out = &bytes_out,
            .answer = answer_self_check,
            .finished = finish_self_check,
            .data = &answered,
        };
        enum fcgi_after after = fcgi_serve(&call, &remainder);
        ssize_t count = recv(ends[1], received, sizeof received, 0);
        /* Our end is still open: nothing but the answer, and no end of file behind it. */
        passed = after == FCGI_CLOSE && answered && count > 0 && (uint64_t)count == bytes_out &&
                 recv(ends[1], received, 1, 0) == -1 && errno == EAGAIN;
    }
    strbuf_free(&bytes);
    close(ends[0]);
    close(ends[1]);
    return passed;
}
