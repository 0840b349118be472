/*
 * The parameters of a request, decoded from the head that the gate has let through. libfcgi would read them byte by
 * byte and allocate each: a fifth of a small request's instructions.
 */
#ifndef COWHERD_PARAMS_H
#define COWHERD_PARAMS_H

#include <stddef.h>
#include <stdint.h>

/*
 * The "NAME=value" strings in the PARAMS records of a whole, well-formed head (BEGIN_REQUEST, then PARAMS to the empty
 * one), with those of `more` (NULL at its end) behind them; NULL at the end. Valid until the next call: the memory is
 * the module's own, and bounded by the longest head.
 */
char **params_decode(const uint8_t *head, size_t length, char *const *more);

#endif
