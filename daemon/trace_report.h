/* A trace's report (write_trace.h in worker/, trace.h) as a table for people, or as JSON. Pure. */
#ifndef COWHERD_TRACE_REPORT_H
#define COWHERD_TRACE_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "strbuf.h"

struct trace_report_subject {
    const char *pool;
    uint64_t requests; /* that were asked for */
};

/* Appends the table, most costly first. false: `text` is no report, nothing is appended. */
bool trace_report_print(const char *text, const struct trace_report_subject *subject, bool json, struct strbuf *out);

#endif
