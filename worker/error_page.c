#include "error_page.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "answer.h"

#define LINES_AROUND 5
#define LINE_SHOWN_MAX 300
#define FILE_READ_MAX (1 << 20)
#define TITLE_MAX 120

static const char style[] = "body{font:16px/1.5 sans-serif;margin:2em;color:#222;background:#fff}"
                            "pre{font:14px/1.5 monospace;padding:1em;overflow:auto;background:#f4f4f4}"
                            ".m{white-space:pre-wrap;color:#a00;font-weight:bold}"
                            "b{display:block;background:#fdd}h2{font-size:1em;margin:2em 0 .5em}";

static bool is_refused(const char *parameters, size_t length)
{
    const char *quality = memmem(parameters, length, "q=", 2);

    return quality != NULL && strtod(quality + 2, NULL) == 0;
}

bool error_page_wanted(const char *accept)
{
    static const char html[] = "text/html";

    while (accept != NULL && *accept != '\0') {
        accept += strspn(accept, " \t,");
        size_t length = strcspn(accept, ",");
        size_t name = strcspn(accept, ",; \t");
        if (name == sizeof html - 1 && strncasecmp(accept, html, name) == 0)
            return !is_refused(accept + name, length - name);
        accept += length;
    }
    return false;
}

void error_page_escape(struct strbuf *page, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        switch (byte) {
        case '&': strbuf_puts(page, "&amp;"); break;
        case '<': strbuf_puts(page, "&lt;"); break;
        case '>': strbuf_puts(page, "&gt;"); break;
        case '"': strbuf_puts(page, "&quot;"); break;
        case '\'': strbuf_puts(page, "&#39;"); break;
        default:
            if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f)
                strbuf_printf(page, "\\x%02X", (unsigned)byte);
            else
                strbuf_append(page, text + i, 1);
        }
    }
}

struct place {
    char path[PATH_MAX];
    long line;
};

static bool is_ruby(const char *path, size_t length)
{
    return length > 3 && (memcmp(path + length - 3, ".rb", 3) == 0 || memcmp(path + length - 3, ".ru", 3) == 0);
}

/* "PATH:LINE", and whatever follows. */
static bool read_place(const char *text, size_t length, struct place *place)
{
    const char *colon = text;

    if (length == 0 || text[0] != '/')
        return false;
    while ((colon = memchr(colon, ':', length - (size_t)(colon - text))) != NULL) {
        size_t path = (size_t)(colon - text);
        if (is_ruby(text, path) && path < sizeof place->path && path + 1 < length && colon[1] >= '1' &&
            colon[1] <= '9') {
            memcpy(place->path, text, path);
            place->path[path] = '\0';
            place->line = strtol(colon + 1, NULL, 10);
            return true;
        }
        colon++;
    }
    return false;
}

/* A file as far as it is looked at. NULL: there is none to be shown. */
static char *read_source(const char *path, size_t *length)
{
    /* O_NONBLOCK: nothing here waits for the other end of a FIFO. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    char *bytes = NULL;

    *length = 0;
    if (fd == -1)
        return NULL;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && (bytes = malloc(FILE_READ_MAX)) != NULL) {
        ssize_t count;
        while (*length < FILE_READ_MAX &&
               ((count = read(fd, bytes + *length, FILE_READ_MAX - *length)) > 0 || (count == -1 && errno == EINTR)))
            *length += count > 0 ? (size_t)count : 0;
    }
    close(fd);
    return bytes;
}

static bool append_source(struct strbuf *page, const struct place *place)
{
    size_t length;
    char *bytes = read_source(place->path, &length);
    struct strbuf lines = { 0 };
    bool found = false;

    if (bytes == NULL)
        return false;
    const char *at = bytes, *end = bytes + length;
    for (long line = 1; at < end && line <= place->line + LINES_AROUND; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t shown = (size_t)((newline != NULL ? newline : end) - at);
        if (line >= place->line - LINES_AROUND) {
            found |= line == place->line;
            strbuf_printf(&lines, "%s%5ld  ", line == place->line ? "<b>" : "", line);
            error_page_escape(&lines, at, shown < LINE_SHOWN_MAX ? shown : LINE_SHOWN_MAX);
            strbuf_puts(&lines, line == place->line ? "</b>" : "\n");
        }
        at = newline != NULL ? newline + 1 : end;
    }
    if (found) {
        strbuf_puts(page, "<h2>");
        error_page_escape(page, place->path, strlen(place->path));
        strbuf_printf(page, ":%ld</h2>\n<pre>", place->line);
        strbuf_append(page, lines.data, lines.length);
        strbuf_puts(page, "</pre>\n");
    }
    strbuf_free(&lines);
    free(bytes);
    return found;
}

static bool is_syntax_error(const char *text, size_t length)
{
    static const char class[] = " (SyntaxError)";
    size_t size = sizeof class - 1;

    return length >= size && memcmp(text + length - size, class, size) == 0;
}

/* The message is not searched: whoever sent the request may have written it. */
static void append_excerpt(struct strbuf *page, const char *text, size_t backtrace)
{
    struct place place;

    if (is_syntax_error(text, backtrace) && read_place(text, backtrace, &place) && append_source(page, &place))
        return;
    for (const char *frame = text + backtrace; *frame != '\0';) {
        frame += strspn(frame, "\n ");
        size_t length = strcspn(frame, "\n");
        if (read_place(frame, length, &place) && append_source(page, &place))
            return;
        frame += length;
    }
}

void error_page_append(struct strbuf *page, int status, const char *text, size_t backtrace)
{
    size_t title = strcspn(text, "\n");

    strbuf_printf(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>%d: ", status);
    error_page_escape(page, text, title < TITLE_MAX ? title : TITLE_MAX);
    strbuf_printf(page, "</title>\n<style>%s</style>\n<h1>%d %s</h1>\n<pre class=\"m\">", style, status,
                  answer_reason(status));
    error_page_escape(page, text, backtrace);
    strbuf_puts(page, "</pre>\n");
    append_excerpt(page, text, backtrace);
    if (text[backtrace] != '\0') {
        strbuf_puts(page, "<h2>Backtrace</h2>\n<pre>");
        const char *frames = text + backtrace + (text[backtrace] == '\n');
        error_page_escape(page, frames, strlen(frames));
        strbuf_puts(page, "</pre>\n");
    }
}

void error_page_answer(struct request *request, int status, const char *text, size_t backtrace)
{
    struct strbuf page = { 0 };

    error_page_append(&page, status, text, backtrace);
    answer_page(request, status,
                "Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n"
                "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n",
                page.data, page.length);
    strbuf_free(&page);
}
