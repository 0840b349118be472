#include "access_log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "app.h"
#include "clock.h"
#include "json.h"
#include "log.h"
#include "strbuf.h"

#define KEPT_CAPACITY 16384 /* a line longer than this is not kept room for */
#define LOST_TOLD_NS CLOCK_NS_PER_S
#define SYSLOG_MAX 65536 /* a datagram can't hold every line: what is longer is cut */

static struct {
    int fd;
    bool to_syslog;
    bool in_colour;
    enum config_access_format format;
    const char *pool;
    unsigned worker;
    struct strbuf line;
    uint64_t lost; /* lines, since the descriptor last took one whole */
    int lost_error;
    int64_t lost_since_ns;
    bool cut; /* part of a line is there, without its end */
    time_t stamp_second;
    char stamp[40];
} access_log = { .fd = -1 };

void access_log_open(int fd, bool to_syslog, enum config_access_format format, const char *pool, unsigned worker)
{
    access_log.fd = fd;
    access_log.to_syslog = to_syslog;
    access_log.in_colour = fd != -1 && log_wants_colour(fd);
    access_log.format = format;
    access_log.pool = pool;
    access_log.worker = worker;
    if (to_syslog)
        openlog("cowherd", LOG_PID, LOG_DAEMON);
}

static void tell_lost(void)
{
    log_warnx("%" PRIu64 " %s lost: %s", access_log.lost,
              access_log.lost == 1 ? "line of the access log is" : "lines of the access log are",
              strerror(access_log.lost_error));
    access_log.lost = 0;
}

void access_log_end(void)
{
    if (access_log.lost > 0)
        tell_lost();
}

void access_log_replace(int fd)
{
    access_log_end();
    access_log.cut = false;
    if (access_log.fd != -1)
        close(access_log.fd);
    access_log.fd = fd;
    access_log.in_colour = log_wants_colour(fd);
}

bool access_log_enabled(void)
{
    return access_log.fd != -1 || access_log.to_syslog;
}

static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

/*
 * As Apache's mod_log_config: what could end the line or a quoted field, or disturb a terminal, is escaped; also the
 * space in a field without quotes.
 */
static void append_field(struct strbuf *out, const char *text, bool quoted)
{
    if (text == NULL || text[0] == '\0')
        text = "-";
    while (*text != '\0') {
        size_t plain = 0;
        while (is_plain((unsigned char)text[plain]) && (quoted || text[plain] != ' '))
            plain++;
        strbuf_append(out, text, plain);
        text += plain;
        if (*text == '"' || *text == '\\')
            strbuf_printf(out, "\\%c", *text++);
        else if (*text != '\0')
            strbuf_printf(out, "\\x%02x", (unsigned char)*text++);
    }
}

/* The wall-clock time as the common format has it, made anew once a second. */
static const char *common_time(void)
{
    time_t now = time(NULL);
    struct tm local;

    if (now != access_log.stamp_second || access_log.stamp[0] == '\0') {
        localtime_r(&now, &local);
        strftime(access_log.stamp, sizeof access_log.stamp, "%d/%b/%Y:%H:%M:%S %z", &local);
        access_log.stamp_second = now;
    }
    return access_log.stamp;
}

static void append_text(struct strbuf *out, const struct request *request)
{
    append_field(out, request_param(request, "REMOTE_ADDR"), false);
    strbuf_puts(out, " - ");
    append_field(out, request_param(request, "REMOTE_USER"), false);
    strbuf_printf(out, " [%s] \"", common_time());
    append_field(out, request_param(request, "REQUEST_METHOD"), true);
    strbuf_puts(out, " ");
    append_field(out, request_param(request, "REQUEST_URI"), true);
    strbuf_puts(out, " ");
    append_field(out, request_param(request, "SERVER_PROTOCOL"), true);
    strbuf_printf(out, "\" %d ", request->status);
    if (request->body_sent == 0)
        strbuf_puts(out, "-");
    else
        strbuf_printf(out, "%" PRIu64, request->body_sent);
    if (access_log.format == ACCESS_COMBINED) {
        strbuf_puts(out, " \"");
        append_field(out, request_param(request, "HTTP_REFERER"), true);
        strbuf_puts(out, "\" \"");
        append_field(out, request_param(request, "HTTP_USER_AGENT"), true);
        strbuf_puts(out, "\"");
    }
}

static void append_json(struct strbuf *out, const struct request *request, int64_t finished_ns)
{
    struct json_writer json = { .out = out };
    char now[CLOCK_ISO8601_SIZE];

    json_begin_object(&json);
    json_key_string(&json, "time", clock_iso8601(now));
    json_key_string(&json, "host", request_param(request, "HTTP_HOST"));
    json_key_string(&json, "remote_addr", request_param(request, "REMOTE_ADDR"));
    json_key_string(&json, "method", request_param(request, "REQUEST_METHOD"));
    json_key_string(&json, "uri", request_param(request, "REQUEST_URI"));
    json_key_string(&json, "protocol", request_param(request, "SERVER_PROTOCOL"));
    json_key_integer(&json, "status", request->status);
    json_key_integer(&json, "bytes", (int64_t)request->body_sent);
    json_key_integer(&json, "duration_us", (finished_ns - request->received_ns) / 1000);
    json_key_string(&json, "referer", request_param(request, "HTTP_REFERER"));
    json_key_string(&json, "user_agent", request_param(request, "HTTP_USER_AGENT"));
    json_key_string(&json, "pool", access_log.pool);
    json_key_integer(&json, "worker", access_log.worker);
    json_key_string(&json, "app", request->app != NULL ? request->app->config->name : NULL);
    json_end_object(&json);
}

static const char *colour_of(int status)
{
    return status >= 500 ? "\033[31m" : status >= 400 ? "\033[33m" : status >= 300 ? "\033[36m" : "\033[32m";
}

/* One write, and more only when that was cut short. Whether all was taken. */
static bool deliver(const struct strbuf *line)
{
    size_t written = 0;

    while (written < line->length) {
        ssize_t count = write(access_log.fd, line->data + written, line->length - written);

        if (count == -1 && errno == EINTR)
            continue;
        if (count <= 0)
            break;
        written += (size_t)count;
    }
    if (written == line->length)
        access_log.cut = false;
    else if (written > 0)
        access_log.cut = true;
    return written == line->length;
}

/* A log that can't be written to must not stop the service: what it doesn't take is counted, and told, not too often.
 */
static void deliver_or_count(const struct strbuf *line, int64_t now_ns)
{
    if (deliver(line)) {
        if (access_log.lost > 0 && now_ns - access_log.lost_since_ns > LOST_TOLD_NS)
            tell_lost();
        return;
    }
    access_log.lost_error = errno;
    if (access_log.lost++ > 0)
        return;
    access_log.lost_since_ns = now_ns;
    log_warnx("the access log can't be written: %s", strerror(access_log.lost_error));
}

void access_log_write(const struct request *request, int64_t finished_ns)
{
    struct strbuf *line = &access_log.line;

    if (!access_log_enabled())
        return;
    const char *colour = access_log.in_colour ? colour_of(request->status) : "";
    line->length = 0;
    if (access_log.cut)
        strbuf_puts(line, "\n");
    strbuf_puts(line, colour);
    if (access_log.format == ACCESS_JSON)
        append_json(line, request, finished_ns);
    else
        append_text(line, request);
    if (*colour)
        strbuf_puts(line, "\033[0m");
    if (access_log.to_syslog) {
        syslog(LOG_INFO, "%.*s", SYSLOG_MAX, line->data);
    } else {
        strbuf_puts(line, "\n");
        deliver_or_count(line, finished_ns);
    }
    if (line->capacity > KEPT_CAPACITY)
        strbuf_free(line);
}
