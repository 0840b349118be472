/*
 * A whole small answer (500, 503 or 504) for a request that no worker can answer any more. Nothing is allocated and
 * only async-signal-safe functions are called: also for handlers of signals.
 */
#ifndef COWHERD_EMERGENCY_ANSWER_H
#define COWHERD_EMERGENCY_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#define EMERGENCY_ANSWER_SIZE 512

/*
 * The FastCGI records of the answer: its head (with Retry-After, in seconds, when that is not 0), a text/plain body,
 * END_REQUEST. Returns their length.
 */
size_t emergency_answer(uint8_t records[EMERGENCY_ANSWER_SIZE], uint16_t request_id, int status, unsigned retry_after);

/*
 * Sends these on a connected socket without waiting, shuts it down for writing and throws away what has come in, so
 * that closing it does not cost the client the answer. Returns 0, or -1 with errno when not all of it could be sent.
 */
int emergency_answer_send(int fd, const uint8_t *records, size_t length);

#endif
