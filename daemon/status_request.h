/* What a request to the status server is answered with. Pure. */
#ifndef COWHERD_STATUS_REQUEST_H
#define COWHERD_STATUS_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"
#include "strbuf.h"

struct status_request {
    unsigned refused; /* 0, or the status of the answer: 400, 404, 405 */
    bool head;        /* the answer goes without its body */
    enum status_format format;
    const char *content_type; /* of that format */
};

/*
 * By the content of its PARAMS. The last part of the path counts, so that it can lie below any prefix: `status`, as
 * text, or as JSON with the query `json` or to who accepts application/json; `metrics`, as OpenMetrics to who accepts
 * that, else as Prometheus' own text.
 */
struct status_request status_request_read(const uint8_t *params, size_t length);

/* The whole answer, as records. */
void status_request_answer(struct strbuf *records, uint16_t request_id, const struct status_request *request,
                           const char *text, size_t length);

/* The same with an error and a sentence for people. */
void status_request_refuse(struct strbuf *records, uint16_t request_id, unsigned status, bool head);

#endif
