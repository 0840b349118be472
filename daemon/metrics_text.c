#include "metrics_text.h"

#include <stddef.h>

static const struct {
    const char *name, *suffix;
} types[] = {
    [METRICS_GAUGE] = { "gauge", "" },
    [METRICS_COUNTER] = { "counter", "_total" },
    [METRICS_INFO] = { "info", "_info" },
    [METRICS_STATESET] = { "stateset", "" },
};

static void put_escaped(struct strbuf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            strbuf_puts(out, "\\n");
        else if (*text == '"' || *text == '\\')
            strbuf_printf(out, "\\%c", *text);
        else
            strbuf_append(out, text, 1);
    }
}

void metrics_begin(struct strbuf *out, const struct metrics_family *family)
{
    strbuf_printf(out, "# TYPE %s %s\n", family->name, types[family->type].name);
    if (family->unit)
        strbuf_printf(out, "# UNIT %s %s\n", family->name, family->unit);
    strbuf_printf(out, "# HELP %s ", family->name);
    put_escaped(out, family->help);
    strbuf_puts(out, "\n");
}

void metrics_sample(struct strbuf *out, const struct metrics_family *family, const struct metrics_label *labels,
                    unsigned count, double value)
{
    strbuf_printf(out, "%s%s", family->name, types[family->type].suffix);
    for (unsigned i = 0; i < count; i++) {
        strbuf_printf(out, "%s%s=\"", i == 0 ? "{" : ",", labels[i].name);
        put_escaped(out, labels[i].value);
        strbuf_puts(out, "\"");
    }
    strbuf_printf(out, "%s %.15g\n", count > 0 ? "}" : "", value);
}

void metrics_end(struct strbuf *out)
{
    strbuf_puts(out, "# EOF\n");
}
