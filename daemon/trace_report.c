#include "trace_report.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "xalloc.h"

#define PAGE 4096
#define FIELDS 6
#define CLASS_WIDTH 36
#define PLACE_WIDTH 60

struct write {
    uint64_t bytes;
    const char *class, *file, *line, *method;
};

struct report {
    char *text; /* what all strings are parts of */
    const char *ended;
    uint64_t requests, region, unwatched, interpreter, total;
    bool has_requests, has_region, cut;
    struct write *writes;
    size_t count;
};

/* Cuts a line at its tabs. What a terminal would act on is not taken from a worker. */
static size_t cut_fields(char *line, const char *fields[FIELDS])
{
    size_t count = 0;
    for (char *rest = line; rest && count < FIELDS;)
        fields[count++] = strsep(&rest, "\t");
    for (size_t i = 0; i < count; i++)
        for (char *byte = (char *)fields[i]; *byte; byte++)
            if ((unsigned char)*byte < 0x20 || *byte == 0x7f)
                *byte = '?';
    return count;
}

static bool parse_number(const char *text, uint64_t *number)
{
    char *end;
    *number = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0';
}

static bool take_write(struct report *report, const char *const fields[FIELDS])
{
    struct write write = { .class = fields[2], .file = fields[3], .line = fields[4], .method = fields[5] };
    if (!parse_number(fields[1], &write.bytes))
        return false;
    report->writes = xreallocarray(report->writes, report->count + 1, sizeof *report->writes);
    report->writes[report->count++] = write;
    report->total += write.bytes;
    return true;
}

/* Lines of a kind that is not known are left out. */
static bool take_line(struct report *report, char *line)
{
    const char *fields[FIELDS];
    size_t count = cut_fields(line, fields);
    if (count == FIELDS && strcmp(fields[0], "write") == 0)
        return take_write(report, fields);
    if (strcmp(fields[0], "cut") == 0)
        report->cut = true;
    if (count != 2)
        return true;
    if (strcmp(fields[0], "ended") == 0)
        report->ended = fields[1];
    if (strcmp(fields[0], "requests") == 0)
        return report->has_requests = parse_number(fields[1], &report->requests);
    if (strcmp(fields[0], "region") == 0)
        return report->has_region = parse_number(fields[1], &report->region);
    if (strcmp(fields[0], "unwatched") == 0)
        return parse_number(fields[1], &report->unwatched);
    if (strcmp(fields[0], "interpreter") == 0)
        return parse_number(fields[1], &report->interpreter);
    return true;
}

static int by_cost(const void *a, const void *b)
{
    const struct write *one = a, *other = b;
    if (one->bytes != other->bytes)
        return one->bytes < other->bytes ? 1 : -1;
    int order = strcmp(one->file, other->file);
    if (order == 0)
        order = (int)strtol(one->line, NULL, 10) - (int)strtol(other->line, NULL, 10);
    return order ? order : strcmp(one->class, other->class);
}

static bool parse(const char *text, struct report *report)
{
    *report = (struct report){ .text = xstrdup(text) };
    char *rest = report->text;
    for (char *line; (line = strsep(&rest, "\n"));)
        if (*line && !take_line(report, line))
            return false;
    if (report->count > 0)
        qsort(report->writes, report->count, sizeof *report->writes, by_cost);
    return report->has_requests && report->has_region;
}

static void write_json(const struct report *report, const struct trace_report_subject *subject, struct strbuf *out)
{
    struct json_writer json = { .out = out, .pretty = true };
    json_begin_object(&json);
    json_key_string(&json, "pool", subject->pool);
    json_key_integer(&json, "requests", (int64_t)report->requests);
    json_key_string(&json, "ended_early", report->requests < subject->requests ? report->ended : NULL);
    json_key(&json, "complete");
    json_boolean(&json, !report->cut);
    json_key_integer(&json, "region", (int64_t)report->region);
    json_key_integer(&json, "unwatched", (int64_t)report->unwatched);
    json_key_integer(&json, "interpreter", (int64_t)report->interpreter);
    json_key_integer(&json, "bytes", (int64_t)report->total);
    json_key_integer(&json, "pages", (int64_t)(report->total / PAGE));
    json_key(&json, "writes");
    json_begin_array(&json);
    for (size_t i = 0; i < report->count; i++) {
        const struct write *write = &report->writes[i];
        json_begin_object(&json);
        json_key_integer(&json, "bytes", (int64_t)write->bytes);
        json_key_integer(&json, "pages", (int64_t)(write->bytes / PAGE));
        json_key_string(&json, "class", write->class);
        json_key_string(&json, "file", *write->file ? write->file : NULL);
        json_key_integer(&json, "line", strtol(write->line, NULL, 10));
        json_key_string(&json, "method", *write->method ? write->method : NULL);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
    strbuf_puts(out, "\n");
}

static char *place_of(const struct write *write)
{
    if (!*write->file)
        return xstrdup("(no Ruby code was running)");
    return xasprintf("%s:%s", write->file, write->line);
}

static int widest(int width, const char *text, int most)
{
    int length = (int)strnlen(text, (size_t)most);
    return length > width ? length : width;
}

static void print_rows(const struct report *report, struct strbuf *out)
{
    int class_width = widest(0, "CLASS", CLASS_WIDTH), place_width = widest(0, "FILE:LINE", PLACE_WIDTH);
    for (size_t i = 0; i < report->count; i++) {
        char *place = place_of(&report->writes[i]);
        class_width = widest(class_width, report->writes[i].class, CLASS_WIDTH);
        place_width = widest(place_width, place, PLACE_WIDTH);
        free(place);
    }
    strbuf_printf(out, "%12s %7s  %-*s  %-*s  METHOD\n", "BYTES", "PAGES", class_width, "CLASS", place_width,
                  "FILE:LINE");
    for (size_t i = 0; i < report->count; i++) {
        const struct write *write = &report->writes[i];
        char *place = place_of(write);
        strbuf_printf(out, "%12llu %7llu  %-*s  %-*s  %s\n", (unsigned long long)write->bytes,
                      (unsigned long long)(write->bytes / PAGE), class_width, write->class, place_width, place,
                      *write->method ? write->method : "-");
        free(place);
    }
    strbuf_printf(out, "%12llu %7llu  in all, of %llu bytes preloaded\n", (unsigned long long)report->total,
                  (unsigned long long)(report->total / PAGE), (unsigned long long)report->region);
}

static void write_table(const struct report *report, const struct trace_report_subject *subject, struct strbuf *out)
{
    strbuf_printf(out, "%s: writes to preloaded state in %llu requests", subject->pool,
                  (unsigned long long)report->requests);
    if (report->requests < subject->requests)
        strbuf_printf(out, " of %llu; the trace ended early%s%s", (unsigned long long)subject->requests,
                      report->ended ? ": " : "", report->ended ? report->ended : "");
    strbuf_puts(out, "\n");
    if (report->count > 0)
        print_rows(report, out);
    else
        strbuf_puts(out, "nothing is written\n");
    if (report->cut)
        strbuf_puts(out, "There were more pages than can be watched one by one: this is not all.\n");
    strbuf_printf(out, "(%llu bytes more by the interpreter for its own state, as in every worker)\n",
                  (unsigned long long)report->interpreter);
}

bool trace_report_print(const char *text, const struct trace_report_subject *subject, bool json, struct strbuf *out)
{
    struct report report;
    bool understood = parse(text, &report);
    if (understood && json)
        write_json(&report, subject, out);
    else if (understood)
        write_table(&report, subject, out);
    free(report.writes);
    free(report.text);
    return understood;
}
