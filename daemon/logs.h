/* The files behind the error log and the access log: opened, reopened, handed to the children. */
#ifndef COWHERD_LOGS_H
#define COWHERD_LOGS_H

#include "config.h"
#include "strbuf.h"

/*
 * Opens what `settings` name and sends the error log there. On failure -1 with `error` filled; what was open before
 * stays in use. Called again, it reopens.
 */
int logs_open(const struct config_log *settings, struct strbuf *error);

/* The access log's descriptor, -1 when there is none (or it is syslog, which each worker opens itself). */
int logs_access_descriptor(void);
/* The error log's, -1 when it is syslog. */
int logs_error_descriptor(void);

/* Goes on with what another program of this process had opened by the same settings. */
void logs_adopt(const struct config_log *settings, int error_log, int access_log);

void logs_close(void);

#endif
