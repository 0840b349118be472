/*
 * libFuzzer: any bytes as what a client sends to the fallback or the status server, whose follower of records must come
 * to the same steps whether the bytes come at once, one by one or in other pieces; what it keeps is read as a request
 * for the status. The same bytes as a worker's answer to a warm-up request.
 */
#include "responder_request.h"
#include "require.h"
#include "status_request.h"
#include "warm_up_exchange.h"

#define HEAD_MAX 4096
#define STEPS_MAX 4096

struct trail {
    uint8_t steps[STEPS_MAX];
    size_t count;
    struct strbuf params;
};

static void follow(const uint8_t *data, size_t size, size_t piece, struct trail *trail)
{
    struct responder_request request = { .params = &trail->params };

    for (size_t at = 0; at < size;) {
        size_t end = size - at < piece ? size : at + piece;
        while (at < end) {
            /* in memory of its own, so that a step beyond the piece is seen */
            size_t used, length = end - at;
            uint8_t *bytes = malloc(length);
            require(bytes != NULL);
            memcpy(bytes, data + at, length);
            enum responder_step step = responder_request_feed(&request, bytes, length, HEAD_MAX, &used);
            free(bytes);
            require(used <= length && (step != RESPONDER_MORE || used == length));
            require(trail->params.length <= HEAD_MAX);
            at += used;
            if (step == RESPONDER_MORE)
                continue;
            require(step != RESPONDER_ANSWER || (request.request_id != 0 && request.answered));
            if (trail->count < STEPS_MAX)
                trail->steps[trail->count++] = (uint8_t)step;
            if (step == RESPONDER_MALFORMED || step == RESPONDER_OVER)
                return;
        }
    }
}

static void answer_status(const struct strbuf *params)
{
    struct status_request request = status_request_read((const uint8_t *)params->data, params->length);
    struct strbuf records = { 0 };

    require(request.refused == 0 || request.refused == 400 || request.refused == 404 || request.refused == 405);
    if (request.refused != 0) {
        status_request_refuse(&records, 1, request.refused, request.head);
    } else {
        require(request.content_type != NULL && request.format < STATUS_FORMATS);
        status_request_answer(&records, 1, &request, "text", 4);
    }
    require(records.length > 0);
    strbuf_free(&records);
}

static int warm_up(const uint8_t *data, size_t size, size_t piece, bool *ended)
{
    struct warm_up_answer answer = { 0 };

    for (size_t at = 0; at < size && !answer.ended; at += piece)
        warm_up_answer_take(&answer, data + at, size - at < piece ? size - at : piece);
    *ended = answer.ended;
    int status = answer.failed ? -1 : warm_up_answer_status(&answer);
    warm_up_answer_free(&answer);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct trail whole = { 0 }, other = { 0 };
    size_t piece = (size_t)data[0] + 1;
    bool ended, ended_too;

    data++;
    size--;
    follow(data, size, SIZE_MAX, &whole);
    follow(data, size, piece, &other);
    require(whole.count == other.count && memcmp(whole.steps, other.steps, whole.count) == 0);
    require(whole.params.length == other.params.length &&
            (whole.params.length == 0 || memcmp(whole.params.data, other.params.data, whole.params.length) == 0));
    answer_status(&whole.params);
    strbuf_free(&whole.params);
    strbuf_free(&other.params);

    int status = size > 0 ? warm_up(data, size, size, &ended) : 0;
    int status_too = size > 0 ? warm_up(data, size, piece, &ended_too) : 0;
    require(size == 0 || (status == status_too && ended == ended_too));
    return 0;
}
