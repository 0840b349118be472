/*
 * Text of metrics as OpenMetrics 1.0 has it, which Prometheus' older text format reads as well. A family is begun once,
 * its samples follow, and metrics_end is the end of it all.
 */
#ifndef COWHERD_METRICS_TEXT_H
#define COWHERD_METRICS_TEXT_H

#include <stdint.h>

#include "strbuf.h"

enum metrics_type { METRICS_GAUGE, METRICS_COUNTER, METRICS_INFO, METRICS_STATESET };

struct metrics_family {
    const char *name; /* without the suffix of its type (_total, _info), with that of its unit */
    enum metrics_type type;
    const char *unit; /* NULL: none */
    const char *help;
};

struct metrics_label {
    const char *name, *value;
};

void metrics_begin(struct strbuf *out, const struct metrics_family *family);

/* A sample with `count` labels. Values that are whole are written as such. */
void metrics_sample(struct strbuf *out, const struct metrics_family *family, const struct metrics_label *labels,
                    unsigned count, double value);

void metrics_end(struct strbuf *out);

#endif
