/*
 * Answers that cowherd gives by itself: small plain pages with Status, Content-Type and Content-Length.
 */
#ifndef COWHERD_ANSWER_H
#define COWHERD_ANSWER_H

#include "request.h"

/* "Not Found" for 404; "Unknown" for a status without a registered phrase (RFC 9110). Never NULL. */
const char *answer_reason(int status);

/*
 * Writes a whole text/plain answer: "404 Not Found", a blank line and `detail` (may be NULL). No body for HEAD.
 * Sets status, body_sent, and error_answered for 5xx. Nothing may have been written before.
 */
void answer_plain(struct request *request, int status, const char *detail);

/* The same with one header line more, as "Allow: GET" (NULL: none). */
void answer_plain_with(struct request *request, int status, const char *header, const char *detail);

/* The same with a page of one's own; `fields` are its header lines, each with CR LF, Content-Type among them. */
void answer_page(struct request *request, int status, const char *fields, const char *body, size_t length);

#endif
