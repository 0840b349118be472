#include "responder_request.h"

#include <string.h>

static size_t at_most(size_t a, size_t b)
{
    return a < b ? a : b;
}

static enum responder_step begin(struct responder_request *request, uint16_t id)
{
    /* Another one on the same connection is as if it had not come. */
    if (request->request_id == 0)
        request->request_id = id;
    return RESPONDER_MORE;
}

/* Left over from the request before it: a worker may have answered that, and given the connection to others. */
static bool is_stale(const struct fcgi_record_header *header)
{
    return header->type == FCGI_RECORD_ABORT_REQUEST ||
           (header->type == FCGI_RECORD_STDIN && header->content_length == 0);
}

static enum responder_step take_record(struct responder_request *request, size_t head_max)
{
    const struct fcgi_record_header header = fcgi_record_decode(request->header);

    request->have = 0;
    request->skip = (size_t)header.content_length + header.padding_length;
    request->keep = 0;
    request->type = header.type;
    if (header.version != 1)
        return RESPONDER_MALFORMED;
    if (!request->answered && (request->head += sizeof request->header + request->skip) > head_max)
        return RESPONDER_MALFORMED;
    if (header.request_id == 0)
        return RESPONDER_MANAGEMENT;
    if (header.type == FCGI_RECORD_BEGIN_REQUEST)
        return header.content_length == 8 ? begin(request, header.request_id) : RESPONDER_MALFORMED;
    if (request->request_id == 0)
        return is_stale(&header) ? RESPONDER_MORE : RESPONDER_MALFORMED;
    if (header.request_id != request->request_id)
        return RESPONDER_MORE;
    if (header.type == FCGI_RECORD_PARAMS && !request->answered)
        request->keep = header.content_length;
    if (header.type == FCGI_RECORD_ABORT_REQUEST)
        return RESPONDER_OVER;
    if (header.content_length > 0)
        return RESPONDER_MORE;
    if (header.type == FCGI_RECORD_PARAMS && !request->answered) {
        request->answered = true;
        return RESPONDER_ANSWER;
    }
    return header.type == FCGI_RECORD_STDIN && request->answered ? RESPONDER_OVER : RESPONDER_MORE;
}

static void keep(struct responder_request *request, const uint8_t *bytes, size_t count)
{
    count = at_most(request->keep, count);
    request->keep -= count;
    if (request->params && count > 0)
        strbuf_append(request->params, bytes, count);
}

enum responder_step responder_request_feed(struct responder_request *request, const uint8_t *bytes, size_t length,
                                           size_t head_max, size_t *used)
{
    enum responder_step step = RESPONDER_MORE;

    for (*used = 0; *used < length && step == RESPONDER_MORE;) {
        size_t count = at_most(request->skip, length - *used);
        request->skip -= count;
        keep(request, bytes + *used, count);
        *used += count;
        count = at_most(sizeof request->header - request->have, length - *used);
        memcpy(request->header + request->have, bytes + *used, count);
        request->have += count;
        *used += count;
        if (request->have == sizeof request->header)
            step = take_record(request, head_max);
    }
    return step;
}
