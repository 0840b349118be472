/* What the supervisor knows, as metrics (metrics_text.h). Pools and states are labels; processes are none. */
#ifndef COWHERD_STATUS_METRICS_H
#define COWHERD_STATUS_METRICS_H

#include "strbuf.h"

struct supervisor;

/* Memory figures older than a second are measured anew first, at a bounded cost. */
void status_metrics(struct supervisor *supervisor, struct strbuf *out);

#endif
