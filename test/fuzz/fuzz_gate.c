/*
 * libFuzzer: whatever comes on a connection goes through the gate, and what the gate lets through goes through the
 * record walker and libfcgi to the app and back, as in a worker. make fuzz builds and runs it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fcgi.h"
#include "gate.h"
#include "record_walker.h"
#include "strbuf.h"

#define ROUNDS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int ends[2] = { -1, -1 };

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void answer(struct request *request, void *data)
{
    char bytes[64];
    ssize_t count;

    (void)data;
    for (char **param = request->params; *param != NULL; param++)
        require(strchr(*param, '=') != NULL);
    request_param(request, "CONTENT_LENGTH");
    while ((count = request_read(request, bytes, sizeof bytes)) > 0)
        request_write(request, bytes, (size_t)count);
    require(count == 0 || !request_body_complete(request));
}

static void finished(struct request *request, void *data)
{
    (void)request, (void)data;
}

/* How many bytes the request took, 0 when the connection ends here. */
static size_t serve(const uint8_t *bytes, size_t length, const struct gate_result *gate)
{
    static char thrown_away[65536];
    struct fcgi_remainder remainder;
    struct fcgi_call call = {
        .fd = ends[0],
        .bytes = bytes,
        .length = length,
        .gate = gate,
        .body_deadline_ns = WALKER_DO_NOT_WAIT,
        .write_wait_ns = 1,
        .allow_keep = true,
        .answer = answer,
        .finished = finished,
    };
    enum fcgi_after after = fcgi_serve(&call, &remainder);

    while (recv(ends[1], thrown_away, sizeof thrown_away, 0) > 0)
        continue;
    require(remainder.rest == NULL);
    require(after != FCGI_KEEP || (remainder.used >= gate->head_length && remainder.used <= length));
    require(after != FCGI_KEEP || !gate->body_complete || remainder.used == gate->request_length);
    return after == FCGI_KEEP ? remainder.used : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct gate_limits limits = { .head = 2048, .small_body = 512 };

    if (ends[0] == -1) {
        fcgi_init();
        require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    }
    for (int round = 0; size > 0 && round < ROUNDS; round++) {
        struct gate_result gate;
        struct strbuf out = { 0 };
        enum gate_verdict verdict = gate_inspect(data, size, &limits, &gate);
        size_t used = gate.consumed;

        switch (verdict) {
        case GATE_READY:
            require(gate.head_length >= 24 && gate.head_length <= limits.head && gate.head_length <= size);
            require(gate.request_length <= size);
            used = serve(data, size, &gate);
            break;
        case GATE_MANAGEMENT:
        case GATE_REFUSED: gate_answer(data, verdict, &gate, 100, &out); break;
        case GATE_PARTIAL: require(size < limits.head + limits.small_body); return 0;
        case GATE_STALE: break;
        case GATE_MALFORMED: require(gate.reason != NULL); return 0;
        case GATE_TOO_LARGE: return 0;
        }
        strbuf_free(&out);
        if (used == 0 || gate.close)
            return 0;
        require(used <= size);
        data += used;
        size -= used;
    }
    return 0;
}
