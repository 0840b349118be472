/*
 * What the supervisor knows, for people (a table) and for programs (JSON; its schema is a promise, see the manual).
 * Memory figures older than a second are measured anew first, at a bounded cost.
 */
#ifndef COWHERD_STATUS_H
#define COWHERD_STATUS_H

#include "strbuf.h"

struct supervisor;

void status_json(struct supervisor *supervisor, struct strbuf *out);
void status_table(struct supervisor *supervisor, struct strbuf *out);

#endif
