#include "log.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <syslog.h>
#include <unistd.h>

#include "clock.h"

/* Bytes that frame a record on the pipe to the supervisor. */
#define RECORD_START '\x1e'
#define RECORD_TEXT '\x1f'
#define RECORD_BREAK '\x1d'

#define LINE_SIZE 2048

#define COLOUR_OFF "\033[0m"

static const struct {
    const char *name;
    int priority;
    const char *colour;
} levels[] = {
    [LOG_LEVEL_ERROR] = { "error", LOG_ERR, "\033[31m" },
    [LOG_LEVEL_WARN] = { "warn", LOG_WARNING, "\033[33m" },
    [LOG_LEVEL_INFO] = { "info", LOG_INFO, "" },
    [LOG_LEVEL_DEBUG] = { "debug", LOG_DEBUG, "\033[2m" },
};
#define LEVELS (sizeof levels / sizeof levels[0])

static enum { SINK_PLAIN, SINK_DESCRIPTOR, SINK_SYSLOG, SINK_SUPERVISOR } sink = SINK_PLAIN;
static int sink_fd = STDERR_FILENO;
static bool in_colour;
static enum log_level threshold = LOG_LEVEL_INFO;

/* What the descriptor has not taken since it last took a line whole. */
static struct {
    unsigned long long lines;
    int error;
    bool cut; /* part of a line is there, without its end */
} lost;

/*
 * A line being put together. Out of memory can't be reported by allocating: a line that gets no more room is cut.
 * (Hence no strbuf, whose failure is a call of fatalx.)
 */
struct line {
    char *data;
    size_t length;
    size_t capacity;
    char first[LINE_SIZE];
};

static void line_start(struct line *line)
{
    line->data = line->first;
    line->length = 0;
    line->capacity = sizeof line->first;
}

static void line_free(struct line *line)
{
    if (line->data != line->first)
        free(line->data);
}

/* Always leaves room for one byte more: the newline. */
static bool line_reserve(struct line *line, size_t more)
{
    if (more < line->capacity - line->length)
        return true;
    if (more > SIZE_MAX / 4 - line->capacity)
        return false;

    size_t capacity = 2 * (line->capacity + more);
    char *data = realloc(line->data == line->first ? NULL : line->data, capacity);

    if (data == NULL)
        return false;
    if (line->data == line->first)
        memcpy(data, line->first, line->length);
    line->data = data;
    line->capacity = capacity;
    return true;
}

static void line_append(struct line *line, const char *bytes, size_t length)
{
    if (!line_reserve(line, length))
        return;
    memcpy(line->data + line->length, bytes, length);
    line->length += length;
}

static void line_puts(struct line *line, const char *string)
{
    line_append(line, string, strlen(string));
}

/* Control bytes, and in UTF-8 also U+0080 to U+009F, which some terminals obey. */
static bool is_control(const char *at, const char *end)
{
    unsigned char byte = (unsigned char)*at;

    if (byte < 0x20)
        return byte != '\t';
    return byte == 0x7f ||
           (byte == 0xc2 && end - at > 1 && (unsigned char)at[1] >= 0x80 && (unsigned char)at[1] < 0xa0);
}

static void line_escape_byte(struct line *line, char byte)
{
    char escape[5];

    snprintf(escape, sizeof escape, "\\x%02X", (unsigned)(unsigned char)byte);
    line_append(line, escape, 4);
}

/* Line breaks become `line_break`, or \x0A when that is 0. */
static void line_escape(struct line *line, const char *text, size_t length, char line_break)
{
    const char *end = text + length;

    for (const char *at = text; at < end; at++) {
        const char *plain = at;
        while (at < end && !is_control(at, end))
            at++;
        line_append(line, plain, (size_t)(at - plain));
        if (at == end)
            break;
        if (*at == '\n' && line_break != 0) {
            line_append(line, &line_break, 1);
            continue;
        }
        line_escape_byte(line, *at);
        if ((unsigned char)*at == 0xc2)
            line_escape_byte(line, *++at);
    }
}

/*
 * With its newline; one write(2), more only when the first was cut short. Returns how much of the line was not taken
 * (errno says why).
 */
static size_t line_write(struct line *line, int fd)
{
    size_t written = 0;

    line->data[line->length++] = '\n';
    while (written < line->length) {
        ssize_t count = write(fd, line->data + written, line->length - written);

        if (count == -1 && errno == EINTR)
            continue;
        if (count <= 0)
            break;
        written += (size_t)count;
    }
    return line->length - written;
}

static void bracket(struct line *line, const char *source)
{
    line_puts(line, "[");
    if (source != NULL) {
        line_escape(line, source, strlen(source), 0);
    } else {
        char own[32];
        snprintf(own, sizeof own, "supervisor %ld", (long)getpid());
        line_puts(line, own);
    }
    line_puts(line, "] ");
}

/* What a line of the log begins with. */
static void line_head(struct line *line, enum log_level level, const char *source)
{
    char now[CLOCK_ISO8601_SIZE];

    if (in_colour)
        line_puts(line, levels[level].colour);
    line_puts(line, clock_iso8601(now));
    line_puts(line, " ");
    line_puts(line, levels[level].name);
    line_puts(line, " ");
    bracket(line, source);
}

/* Whether the descriptor has taken it. */
static bool deliver(struct line *line)
{
    size_t left = line_write(line, sink_fd);

    if (left == 0) {
        lost.cut = false;
    } else {
        lost.error = errno;
        lost.cut = lost.cut || left < line->length;
    }
    return left == 0;
}

/* Before the first line that follows those that are lost. */
static bool tell_lost(void)
{
    struct line line;
    char text[200];

    line_start(&line);
    if (lost.cut)
        line_puts(&line, "\n");
    line_head(&line, LOG_LEVEL_WARN, NULL);
    snprintf(text, sizeof text, "%llu %s lost: %s", lost.lines,
             lost.lines == 1 ? "line of this log is" : "lines of this log are", strerror(lost.error));
    line_puts(&line, text);
    if (in_colour)
        line_puts(&line, COLOUR_OFF);
    bool told = deliver(&line);
    if (told)
        lost.lines = 0;
    line_free(&line);
    return told;
}

/* A line that can't be written is counted; that it is so stands on standard error, for who keeps that elsewhere. */
static void write_or_count(struct line *line)
{
    if ((lost.lines == 0 || tell_lost()) && deliver(line))
        return;
    if (lost.lines++ == 0 && sink_fd != STDERR_FILENO)
        dprintf(STDERR_FILENO, "%s: the error log can't be written: %s\n", program_invocation_short_name,
                strerror(lost.error));
}

static void put_line(enum log_level level, const char *source, const char *text, size_t length)
{
    struct line line;

    line_start(&line);
    switch (sink) {
    case SINK_DESCRIPTOR: line_head(&line, level, source); break;
    case SINK_SYSLOG:
        if (source != NULL)
            bracket(&line, source);
        break;
    case SINK_PLAIN:
    case SINK_SUPERVISOR:
        line_puts(&line, program_invocation_short_name);
        line_puts(&line, ": ");
        if (source != NULL)
            bracket(&line, source);
        break;
    }
    line_escape(&line, text, length, 0);
    if (sink == SINK_DESCRIPTOR && in_colour && *levels[level].colour)
        line_puts(&line, COLOUR_OFF);
    if (sink == SINK_SYSLOG)
        syslog(levels[level].priority, "%.*s", line.length > 65536 ? 65536 : (int)line.length, line.data);
    else if (sink == SINK_DESCRIPTOR)
        write_or_count(&line);
    else
        line_write(&line, sink_fd);
    line_free(&line);
}

static void put_lines(enum log_level level, const char *source, const char *text, size_t length)
{
    const char *end = text + length;

    do {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        const char *stop = line_end != NULL ? line_end : end;
        size_t used = (size_t)(stop - text);

        if (used > 0 && text[used - 1] == '\r')
            used--;
        put_line(level, source, text, used);
        text = line_end != NULL ? line_end + 1 : end;
    } while (text < end);
}

static void put_record(enum log_level level, const char *app, const char *text, size_t length)
{
    struct line line;
    char start[2] = { RECORD_START, (char)('0' + level) };
    char text_mark = RECORD_TEXT;

    line_start(&line);
    line_append(&line, start, sizeof start);
    line_escape(&line, app, strlen(app), 0);
    line_append(&line, &text_mark, 1);
    if (length > 0 && text[length - 1] == '\n')
        length--;
    line_escape(&line, text, length, RECORD_BREAK);
    line_write(&line, sink_fd);
    line_free(&line);
}

void log_claim_output(const char *app)
{
    int unread = 0;

    if (sink == SINK_SUPERVISOR && ioctl(sink_fd, FIONREAD, &unread) == 0 && unread > 0)
        put_record(LOG_LEVEL_INFO, app, "", 0);
}

static void put(enum log_level level, const char *source, const char *text, size_t length)
{
    if ((size_t)level >= LEVELS || level > threshold)
        return;

    int saved_errno = errno;

    if (length == 0)
        text = "";
    if (sink == SINK_SUPERVISOR)
        put_record(level, source != NULL ? source : "", text, length);
    else
        put_lines(level, source, text, length);
    errno = saved_errno;
}

/* `error`: an errno whose text is added, or 0. */
static void put_format(enum log_level level, int error, const char *format, va_list arguments)
{
    if (level > threshold)
        return;

    int saved_errno = errno;
    struct line line;
    va_list again;

    line_start(&line);
    va_copy(again, arguments);
    int length = vsnprintf(line.data, line.capacity, format, arguments);
    if (length > 0 && (size_t)length >= line.capacity) {
        if (line_reserve(&line, (size_t)length))
            vsnprintf(line.data, line.capacity, format, again);
        else
            length = (int)line.capacity - 1;
    }
    va_end(again);
    line.length = length > 0 ? (size_t)length : 0;
    if (error != 0) {
        line_puts(&line, ": ");
        line_puts(&line, strerror(error));
    }
    put(level, NULL, line.data, line.length);
    line_free(&line);
    errno = saved_errno;
}

const char *log_level_name(enum log_level level)
{
    return (size_t)level < LEVELS ? levels[level].name : "?";
}

void log_set_level(enum log_level level)
{
    threshold = level;
}

void log_to_descriptor(int fd)
{
    sink = SINK_DESCRIPTOR;
    sink_fd = fd;
}

void log_set_colour(bool colour)
{
    in_colour = colour;
}

bool log_wants_colour(int fd)
{
    const char *refused = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");

    return isatty(fd) && (refused == NULL || *refused == '\0') && (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

void log_to_syslog(const char *ident)
{
    /* openlog keeps the pointer. */
    static char kept_ident[64];

    snprintf(kept_ident, sizeof kept_ident, "%s", ident);
    openlog(kept_ident, LOG_PID, LOG_DAEMON);
    sink = SINK_SYSLOG;
}

void log_to_supervisor(int fd)
{
    sink = SINK_SUPERVISOR;
    sink_fd = fd;
}

#define PUT_FORMAT(level, error)                                                                                       \
    do {                                                                                                               \
        va_list arguments;                                                                                             \
        va_start(arguments, format);                                                                                   \
        put_format(level, error, format, arguments);                                                                   \
        va_end(arguments);                                                                                             \
    } while (0)

void log_info(const char *format, ...)
{
    PUT_FORMAT(LOG_LEVEL_INFO, 0);
}

void log_warn(const char *format, ...)
{
    PUT_FORMAT(LOG_LEVEL_WARN, errno);
}

void log_warnx(const char *format, ...)
{
    PUT_FORMAT(LOG_LEVEL_WARN, 0);
}

void log_debug(const char *format, ...)
{
    PUT_FORMAT(LOG_LEVEL_DEBUG, 0);
}

void fatal(const char *format, ...)
{
    PUT_FORMAT(LOG_LEVEL_ERROR, errno);
    exit(1);
}

void fatalx(const char *format, ...)
{
    PUT_FORMAT(LOG_LEVEL_ERROR, 0);
    exit(1);
}

void log_line(enum log_level level, const char *source, const char *text, size_t length)
{
    put(level, source, text, length);
}

void log_app(enum log_level level, const char *app, const char *text, size_t length)
{
    put(level, app, text, length);
}

int log_record_parse(char *line, size_t length, struct log_record *record)
{
    if (length < 3 || line[0] != RECORD_START || line[1] < '0' || line[1] >= '0' + (int)LEVELS)
        return -1;

    char *app = line + 2;
    char *end = line + length;
    char *mark = memchr(app, RECORD_TEXT, (size_t)(end - app));

    if (mark == NULL || memchr(app, '\0', (size_t)(end - app)) != NULL)
        return -1;

    char *text = mark + 1;

    *mark = '\0';
    *end = '\0';
    for (char *at = text; (at = memchr(at, RECORD_BREAK, (size_t)(end - at))) != NULL; at++)
        *at = '\n';
    *record = (struct log_record){ .level = (enum log_level)(line[1] - '0'), .app = app, .text = text };
    return 0;
}
