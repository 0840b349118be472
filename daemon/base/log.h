/*
 * The error log. log_info, log_warn (adds strerror of errno), log_warnx (without), log_debug; fatal and fatalx log and
 * exit with status 1: only at start-up and for broken invariants. All preserve errno.
 *
 * The supervisor writes lines to the configured sink:
 *     2026-01-31T23:59:59.123Z info [web/2 4711 blog.example.org/] text
 * where the bracket names the pool/worker, the process and the app a line comes from ("[supervisor 4242]" its own).
 *
 * A mold or worker never writes to the log itself: its standard error is a pipe to the supervisor, which adds the
 * bracket. Lines of the process's own (level, app known) travel as records (log_record_*), everything else that
 * arrives on the pipe is output of an app.
 */
#ifndef COWHERD_LOG_H
#define COWHERD_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* "error", "warn", "info", "debug". */
const char *log_level_name(enum log_level level);

void log_set_level(enum log_level level);

/*
 * Where lines go. Until one is chosen: "PROGRAM: text" on standard error. The descriptor stays the caller's. While it
 * takes nothing (a full disk), lines are lost, and counted; the first one that is taken again is preceded by how many.
 */
void log_to_descriptor(int fd);
/* Whether lines to a descriptor are in colour, by their level: for a terminal. */
void log_set_colour(bool colour);
/* Whether what goes to `fd` had better be: a terminal that isn't dumb, and NO_COLOR is not set. */
bool log_wants_colour(int fd);
void log_to_syslog(const char *ident);
/* In a mold or worker: as records on `fd` (its standard error). */
void log_to_supervisor(int fd);

void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warnx(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void fatalx(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * One line with an explicit level and source. `source` is what stands in the bracket (NULL: this process); control
 * bytes in `text` (but tab) are written as \xNN so that nothing an app or a client sends can forge a line; a text with
 * line breaks becomes several lines, each with the bracket.
 */
void log_line(enum log_level level, const char *source, const char *text, size_t length);
/* In a mold or worker: a record about `app` ("" when none). In the supervisor: a line whose source is `app`. */
void log_app(enum log_level level, const char *app, const char *text, size_t length);

/*
 * In a worker, before it turns to another app: when plain output is still unread in the pipe, a record with an empty
 * text, which says that what came before it is `app`'s.
 */
void log_claim_output(const char *app);

/*
 * The records on the pipe: 0x1E, one digit (the level), the app's name, 0x1F, the text, newline; a line break inside
 * the text is sent as 0x1D, other control bytes (but tab) as \xNN. log_record_parse takes one line without its newline
 * (line[length], where that was, must be writable) and returns 0 when it is a record (text then has its line breaks
 * back, in place), -1 with the line unchanged when it is plain output.
 */
struct log_record {
    enum log_level level;
    const char *app;
    const char *text;
};
int log_record_parse(char *line, size_t length, struct log_record *record);

#endif
