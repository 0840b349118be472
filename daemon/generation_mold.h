/* The mold of a generation. For generation.c; what others may do with it is in generation.h. */
#ifndef COWHERD_GENERATION_MOLD_H
#define COWHERD_GENERATION_MOLD_H

#include <stdbool.h>

#include "generation.h"

/* false with `error` filled: it could not be started. */
bool generation_start_mold(struct generation *generation, struct strbuf *error);

void generation_close_mold_channel(struct generation *generation);

/* Gives it the access log: now, or when there is room in its channel. One that leaves has no use for it. */
void generation_send_mold_access_log(struct generation *generation);

/* The mold is no more; `status` is wait(2)'s. */
void generation_mold_reaped(struct generation *generation, int status);

/* It has failed for this reason. What ran out of time has said so already: the reason says where it was. */
void generation_fail(struct generation *generation, const char *reason);

#endif
