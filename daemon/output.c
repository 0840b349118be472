#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

/* A longer line is logged in pieces. */
#define OUTPUT_LINE_MAX 65536
#define OUTPUT_SOURCE_SIZE 512
/* One turn reads at most this much of one child, so that a chatty one does not keep the supervisor from the others. */
#define OUTPUT_READ_MAX (4 * 65536)

static void log_plain_line(struct output *output, const char *app, const char *line, size_t length)
{
    char source[OUTPUT_SOURCE_SIZE];
    output->describe(output->data, app, source, sizeof source);
    log_line(LOG_LEVEL_INFO, source, line, length);
}

static void log_plain_lines(struct output *output, const char *app)
{
    char *data = output->plain.data;
    size_t start = 0;
    while (start < output->plain.length) {
        char *newline = memchr(data + start, '\n', output->plain.length - start);
        size_t end = newline ? (size_t)(newline - data) : output->plain.length;
        log_plain_line(output, app, data + start, end - start);
        start = end + 1;
    }
    strbuf_consume(&output->plain, output->plain.length);
}

/* Plain lines wait for a record that claims them, to the end of what has come. */
static void take_line(struct output *output, char *line, size_t length)
{
    char source[OUTPUT_SOURCE_SIZE];
    struct log_record record;
    if (log_record_parse(line, length, &record) != 0) {
        strbuf_append(&output->plain, line, length);
        strbuf_append(&output->plain, "\n", 1);
        return;
    }
    bool claims = *record.text == '\0';
    log_plain_lines(output, claims ? record.app : NULL);
    if (claims)
        return;
    output->describe(output->data, record.app, source, sizeof source);
    log_line(record.level, source, record.text, strlen(record.text));
}

static void log_complete_lines(struct output *output)
{
    size_t start = 0;
    char *data = output->pending.data;
    size_t length = output->pending.length;
    while (start < length) {
        char *newline = memchr(data + start, '\n', length - start);
        if (newline) {
            *newline = '\0';
            take_line(output, data + start, (size_t)(newline - (data + start)));
            start = (size_t)(newline - data) + 1;
        } else if (length - start >= OUTPUT_LINE_MAX) {
            take_line(output, data + start, length - start);
            start = length;
        } else {
            break;
        }
    }
    strbuf_consume(&output->pending, start);
    log_plain_lines(output, NULL);
}

/* Reads what is there. false at end of file or on an error. */
static bool read_available(struct output *output)
{
    char bytes[65536];
    for (size_t total = 0; total < OUTPUT_READ_MAX;) {
        ssize_t got = read(output->source.fd, bytes, sizeof bytes);
        if (got < 0)
            return errno == EAGAIN || errno == EINTR;
        if (got == 0)
            return false;
        total += (size_t)got;
        strbuf_append(&output->pending, bytes, (size_t)got);
        log_complete_lines(output);
    }
    return true;
}

static void output_ready(void *data, uint32_t events)
{
    (void)events;
    struct output *output = data;
    if (!read_available(output))
        output_close(output);
}

int output_open(struct output *output, struct loop *loop, int fd,
                void (*describe)(void *data, const char *app, char *source, size_t size), void *data)
{
    *output = (struct output){ .loop = loop, .describe = describe, .data = data };
    output->source = (struct loop_source){ .fd = fd, .ready = output_ready, .data = output };
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || loop_add(loop, &output->source, EPOLLIN) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    output->open = true;
    return 0;
}

void output_close(struct output *output)
{
    if (!output->open)
        return;
    output->open = false;
    read_available(output);
    if (output->pending.length > 0)
        take_line(output, output->pending.data, output->pending.length);
    log_plain_lines(output, NULL);
    strbuf_free(&output->pending);
    strbuf_free(&output->plain);
    loop_remove(output->loop, &output->source);
    close(output->source.fd);
}
