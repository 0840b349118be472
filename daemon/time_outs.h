/* Ends the requests of a generation that run for too long: overdue.h decides, late_answer.h answers. */
#ifndef COWHERD_TIME_OUTS_H
#define COWHERD_TIME_OUTS_H

#include "generation.h"

/* Looks at the generation's workers from now on, as often as its limits ask for. */
void time_outs_start(struct generation *generation);
void time_outs_stop(struct generation *generation);

#endif
