/*
 * What the load generator says and what it expects to hear: the bytes of one request as Debian's nginx sends it for a
 * browser's plain GET, and the check of one answer, record by record and byte by byte.
 */
#ifndef COWHERD_BENCH_EXCHANGE_H
#define COWHERD_BENCH_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    uint8_t *data;
    size_t length;
};

struct exchange {
    const char *host;
    const char *uri;
    const char *script_filename;
    const char *expected_body;
    unsigned expected_status;
};

/* Says what is wrong and leaves with status 2. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

/* realloc that dies instead of failing. */
void *allocate(void *old, size_t size);

/* BEGIN_REQUEST, PARAMS, the empty PARAMS and the empty STDIN of request 1. The caller frees `data`. */
struct bytes exchange_request(const struct exchange *exchange, bool keep);

/*
 * Looks for a whole answer in what has come. false: not there yet. true: *wrong is NULL, or says what is wrong.
 * Changes `bytes` (STDOUT contents are moved together) once the answer is whole.
 */
bool exchange_answered(const struct exchange *exchange, uint8_t *bytes, size_t length, const char **wrong);

#endif
