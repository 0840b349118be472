/* Telling requests apart that come again. */
#ifndef COWHERD_REQUEST_HASH_H
#define COWHERD_REQUEST_HASH_H

#include <stdint.h>

/*
 * A hash of all parameters ("NAME=value", NULL at the end) but those that differ when a front end or a person sends the
 * same request again (REMOTE_PORT and the like). Never 0. No protection against who looks for collisions.
 */
uint64_t request_hash(char *const *params);

#endif
