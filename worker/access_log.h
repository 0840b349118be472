/*
 * The access log, written by each worker: one write(2) of one line on a descriptor opened with O_APPEND (lines of
 * several workers never mix), or syslog(3). A line that is not taken (a full disk) is lost: the error log says so, and
 * how many there were when lines are taken again.
 */
#ifndef COWHERD_ACCESS_LOG_H
#define COWHERD_ACCESS_LOG_H

#include "config.h"
#include "request.h"

/* `fd` -1 with `to_syslog` false: no access log. A descriptor given again (a reopened log) replaces and closes the old.
 */
void access_log_open(int fd, bool to_syslog, enum config_access_format format, const char *pool, unsigned worker);
void access_log_replace(int fd);
bool access_log_enabled(void);
/* The worker leaves: tells what is lost. */
void access_log_end(void);

/*
 * One line for a finished request. common: host ident user [time] "request" status bytes; combined adds "referer"
 * "agent" (both as in Apache's mod_log_config); json: one object a line with time, host, remote_addr, method, uri,
 * protocol, status, bytes, duration_us, referer, user_agent, pool, worker, app. Control bytes, quotes and backslashes
 * are escaped (\xNN) as Apache does.
 */
void access_log_write(const struct request *request, int64_t finished_ns);

#endif
